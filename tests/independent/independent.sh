#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A real log and its proofs convince verifiers that this project did not write the cryptography of, and that share no code:
# one in Go on golang.org/x/mod (verify.go), one of sha256sum, openssl, signify and protoc (verify.sh). What is bent
# convinces neither of them, and tmx-audit neither; each says why. An earlier head is that of an earlier export. LINK-12, LOG-1, LOG-5, LOG-7, LOG-8, LOG-10, BAT-1, BAT-4
# usage: independent.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(CH DE IT)
# bend FILE AT: the byte there becomes another one, whatever it was.
bend() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "\\$(printf %o $(((byte + 1) % 256)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
here=$(cd "$(dirname "$0")" && pwd)
need() { [ -n "$1" ] || { echo "independent: $2 is missing: deploy/packages --tests installs it"; exit 1; }; }
export PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH
need "$(command -v go)" golang-go
need "$(find /usr/share/gocode/src/golang.org/x/mod/sumdb -name note.go 2>/dev/null)" golang-golang-x-mod-dev
need "$(command -v openssl)" openssl
need "$(command -v signify-openbsd)" signify-openbsd
# shellcheck source=tests/integration/world.sh
. "$here/../integration/world.sh"
FED=$root/fed

# Nothing of the user's own settings, and nothing from the network; what was compiled stays in the build folder.
export GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS=-buildvcs=false GOENV=off GOPROXY=off CGO_ENABLED=0
export GOCACHE=$FED_BUILD/tests/independent/go-cache GOTMPDIR=$root
go build -o "$root/verify" "$here/verify.go" || exit 1

by_go() { "$root/verify" "$@"; }
by_shell() { "$here/verify.sh" "$@"; }
by_audit() { "$AUDIT" verify "$2" --authority "${authority:-$FED/authority.pub}" 2>&1 | grep -q '^verdict     ok'; }

convinced() {   # convinced WHAT VERIFIER ARGUMENT…
    local what=$1
    shift
    "$@" >"$root/said" 2>&1 || { cat "$root/said"; fail "$what does not convince $1"; }
}

# refused WHAT REASON VERIFIER ARGUMENT…: with that reason on standard error (an extended regular expression).
refused() {
    local what=$1 reason=$2
    shift 2
    "$@" >"$root/said" 2>&1 && { cat "$root/said"; fail "$what convinces $1"; }
    grep -qE "FAILED: .*($reason)" "$root/said" || { cat "$root/said"; fail "$what: $1 does not say '$reason'"; }
    refusals=$((refusals + 1))
}
refusals=0

vkeys() {   # vkeys EXPORT AUTHORITY: the keys of all its directories
    local d
    for d in "$1"/directories/*; do "$AUTHORITY" show "$d" --vkeys --authority "$2" || exit 1; done
}

# --- a log of real processes
world_start
send DE IT first second
send IT DE third
collect IT 10 --ack
verify
mv "$root/export" "$root/older"
send DE CH fourth
collect CH 10 --ack
collect DE 10 --ack
await settled || fail "not everything has its outcome"
verify
older=$(sed -n 2p "$root/older/checkpoint")
mkdir -p "$root/export/checkpoints"
cp "$root/older/checkpoint" "$root/export/checkpoints/$older"   # as if it were that of an hour ago
vkeys "$root/export" "$FED/authority.pub" | sort -u >"$root/vkeys"
size=$(sed -n 2p "$root/export/checkpoint")
convinced "the log" by_go "$root/vkeys" "$root/export" "$root/older/checkpoint"
say "$(<"$root/said")"
convinced "the log" by_shell "$root/vkeys" "$root/export" 1000
grep -qxF "$(by_go "$root/vkeys" "$root/export")" "$root/said" || fail "the verifiers count differently: $(<"$root/said")"
refused "an older log" "not older" by_go "$root/vkeys" "$root/older" "$root/export/checkpoint"

for index in 0 1 $((size / 2)) $((size - 2)) $((size - 1)); do
    "$AUDIT" prove "$root/export" "$index" --authority "$FED/authority.pub" --out "$root/proof" || fail "no proof of entry $index"
    convinced "the proof of entry $index" by_go "$root/vkeys" -proof "$root/proof"
    convinced "the proof of entry $index" by_shell "$root/vkeys" -proof "$root/proof"
done
"$AUDIT" prove "$root/export" $((size / 2)) --authority "$FED/authority.pub" --out "$root/proof" || exit 1

# --- bent
python3 -B "$here/bend.py" "$FED_TOP" "$root/export" "$root/proof" "$root/vkeys" "$FED/broker/keys/log.key" \
    tmx.demo/witness/DE "$FED/DE/keys/witness.key" "$root/bent" || fail "nothing could be bent"

export_refused() {   # export_refused NAME REASON-OF-GO REASON-OF-SHELL
    refused "$1" "$2" by_go "$root/vkeys" "$root/bent/$1"
    refused "$1" "$3" by_shell "$root/vkeys" "$root/bent/$1" 1000
    by_audit "$root/vkeys" "$root/bent/$1" && fail "$1 convinces tmx-audit"
}
unsigned='invalid signature'
export_refused bundle 'do not give the signed root|bundle' 'tile 0/0 is another|bundle'
export_refused bundle-cut 'ends early' 'ends early'
export_refused tile 'is another tile' 'tile 0/0 is another'
export_refused root "$unsigned" 'did not sign its head'
export_refused signature "$unsigned" 'did not sign its head'
export_refused size "$unsigned" 'did not sign its head'
export_refused unsigned 'do not give the signed root' 'do not give the signed root'
export_refused body 'DE did not sign it' 'DE did not sign it'
export_refused extension 'not three lines' 'not three lines'
export_refused empty 'no size of a tree' 'no head of a log'
export_refused stranger 'no verifiable signatures' 'no signature of the log'
export_refused hour-root "$unsigned" 'did not sign its head'
export_refused hour-cut 'malformed note|EOF|invalid' 'no base64|no signed note|no signature|did not sign|not three lines'
export_refused hour-swapped "checkpoints/$older is another head" "checkpoints/$older is another head"
export_refused hour-twice "checkpoints/$((older - 1)) is another head" "checkpoints/$((older - 1)) is another head"
export_refused hour-signed "checkpoints/$older has another root" "checkpoints/$older has another root"
refused hour-cosigned 'did not cosign' by_shell "$root/vkeys" "$root/bent/hour-cosigned"
by_audit "$root/vkeys" "$root/bent/hour-cosigned" && fail "hour-cosigned convinces tmx-audit"
refused small-order 'key of small order' by_go "$root/bent/small-order.vkeys" "$root/bent/small-order"
refused small-order 'key of small order' by_shell "$root/bent/small-order.vkeys" "$root/bent/small-order"
for verifier in by_go by_shell; do
    for bent in path index beyond entry shorter longer; do
        refused "$bent" 'not proved|no proof' $verifier "$root/vkeys" -proof "$root/bent/$bent.tlog-proof"
    done
    refused head "$unsigned|did not sign its head" $verifier "$root/vkeys" -proof "$root/bent/head.tlog-proof"
    refused missing 'DE did not sign it|no key' $verifier "$root/bent/missing.vkeys" "$root/export" 1000
    refused another 'DE did not sign it|no key' $verifier "$root/bent/another.vkeys" "$root/export" 1000
done

# --- a head that a witness has cosigned, too
convinced "a cosigned head" by_go "$root/vkeys" "$root/bent/good-cosigned"
convinced "a cosigned head" by_shell "$root/vkeys" "$root/bent/good-cosigned" 4
convinced "a cosigned head" by_audit "$root/vkeys" "$root/bent/good-cosigned"
refused "a bent cosignature" 'did not cosign' by_shell "$root/vkeys" "$root/bent/cosigned-later"

# --- a log of more than a tile, with seven bodies under a signature
"$FED_BUILD/tests/bench/audit-log" "$root/many" 300 7 || fail "no log of many entries"
vkeys "$root/many" "$root/many.authority" >"$root/many.vkeys"
convinced "a log of many entries" by_go "$root/many.vkeys" "$root/many"
say "$(<"$root/said")"
convinced "a log of many entries" by_shell "$root/many.vkeys" "$root/many" 12
authority=$root/many.authority
convinced "a log of many entries" by_audit "$root/many.vkeys" "$root/many"
for index in 0 255 256 300; do
    "$AUDIT" prove "$root/many" "$index" --authority "$authority" --out "$root/proof" || fail "no proof of entry $index"
    convinced "the proof of entry $index" by_go "$root/many.vkeys" -proof "$root/proof"
    convinced "the proof of entry $index" by_shell "$root/many.vkeys" -proof "$root/proof"
done
bend "$root/many/tile/1/000.p/1" 3
refused "a bent tile of the next level" 'is another tile' by_go "$root/many.vkeys" "$root/many"
by_audit "$root/many.vkeys" "$root/many" && fail "a bent tile convinces tmx-audit"

# --- forks that nodes proved, of two sizes and of one
mkdir "$root/evil"
TMX_EVIL_OUT=$root/evil "$FED_BUILD/tests/evil/test-branches" >"$root/said" 2>&1 || { cat "$root/said"; fail "no fork was proved"; }
for fork in fork fork-from-power-of-two rolled-back truncated equivocation; do
    convinced "the proof of $fork" by_go "$root/evil/vkeys" -fork "$root/evil/$fork"
done
"$AUTHORITY" show "$root/evil/directory" --vkeys --authority "$root/evil/authority" >"$root/evil.vkeys" || exit 1
for seen in seen seen-power-of-two; do   # what a member signed that it was shown, in a message across a fork. LINK-12
    convinced "the proof of $seen" by_go "$root/evil.vkeys" -seen "$root/evil/$seen"
    sed '/^root /d' "$root/evil/$seen" >"$root/evil/bent"
    refused "$seen without a root" 'not shown what the log has' by_go "$root/evil.vkeys" -seen "$root/evil/bent"
    sed 's/^index .*/index 3/' "$root/evil/$seen" >"$root/evil/bent"
    refused "$seen of another entry" 'not in the log' by_go "$root/evil.vkeys" -seen "$root/evil/bent"
done
refused "what was seen by the log's key alone" 'did not sign it' by_go "$root/evil/vkeys" -seen "$root/evil/seen"
refused "a fork by the keys of another log" 'no verifiable signatures|no keys|unknown' by_go "$root/vkeys" -fork "$root/evil/fork"
sed '2s/^root ..../root AAAA/' "$root/evil/fork" >"$root/evil/bent"
refused "a bent root" 'not proved to be in the longer' by_go "$root/evil/vkeys" -fork "$root/evil/bent"
awk 'BEGIN { RS = ""; ORS = "\n\n" } NR <= 3' "$root/evil/equivocation" >"$root/evil/half"
awk 'BEGIN { RS = "" } NR == 2 || NR == 3' ORS='\n\n' "$root/evil/equivocation" | sed '$d' >>"$root/evil/half"
refused "one head twice" 'of one history' by_go "$root/evil/vkeys" -fork "$root/evil/half"
# --- without its first entries: their hashes lead to the same head, and nothing else does. LOG-10
"$FED_BUILD/tests/bench/audit-log" "$root/pruned" 520 7 || fail "no log of many entries"
vkeys "$root/pruned" "$root/pruned.authority" >"$root/pruned.vkeys"
"$AUDIT" prune "$root/pruned" --before 256 --authority "$root/pruned.authority" >"$root/said" 2>&1 || { cat "$root/said"; fail "nothing is pruned"; }
for verifier in by_go by_shell; do
    convinced "a pruned log" $verifier "$root/pruned.vkeys" "$root/pruned"
    grep -q 'entries before 256 are pruned' "$root/said" || fail "nothing is said of what is pruned"
done
authority=$root/pruned.authority convinced "a pruned log" by_audit "$root/pruned.vkeys" "$root/pruned"
[ -s "$root/pruned/kept" ] || fail "nothing is kept of what is pruned"
pruned_refused() {   # pruned_refused REASON
    for verifier in by_go by_shell; do refused "a pruned log" "$1" $verifier "$root/pruned.vkeys" "$root/pruned"; done
}
echo 512 >"$root/pruned/min-index"
pruned_refused 'no index before'
echo 256 >"$root/pruned/min-index"
cp "$root/pruned/kept" "$root/kept"
bend "$root/pruned/kept" 30
pruned_refused 'kept: entry 1 is another'
authority=$root/pruned.authority by_audit "$root/pruned.vkeys" "$root/pruned" && fail "another entry than was pruned convinces tmx-audit"
truncate -s -1 "$root/pruned/kept"
pruned_refused 'kept ends early'
cp "$root/kept" "$root/pruned/kept"
cp "$root/pruned/tile/entries/001" "$root/pruned/tile/entries/000"
pruned_refused 'bundle 0 is there, though it is pruned'
rm "$root/pruned/tile/entries/000"
bend "$root/pruned/tile/0/000" 99
refused "a pruned log" 'do not give the signed root' by_go "$root/pruned.vkeys" "$root/pruned"
authority=$root/pruned.authority by_audit "$root/pruned.vkeys" "$root/pruned" && fail "a bent hash convinces tmx-audit"
say "two verifiers were convinced, and refused $refusals times what was bent"
