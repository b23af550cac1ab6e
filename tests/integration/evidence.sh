#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The evidence of messages that were taken, refused, not taken and erased, from both sides, checked by the auditor's program and
# by the verifier written from the specification, with the authority's keys alone. EVI-1 to EVI-12, LOG-10, WIT-3, WIT-4
# usage: evidence.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(CH DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
world_made() { fed_node_conf IT 'retention = 0 s'; }    # what has its outcome is erased there at once
source=$1
cd "$root" || exit 1

evidence() {    # evidence MEMBER MESSAGE FILE [OPTIONS]
    fed_tmx "$1" evidence "$2" --out "$root/bundles/$3.evidence" "${@:4}" >"$root/said" 2>&1 || fail "$1 gave no evidence of $2: $(cat "$root/said")"
}
verdict() {     # verdict FILE EXPRESSION: of both verifiers
    "$AUDIT" verify-evidence "$root/bundles/$1.evidence" --authority "$FED/authority.pub" "${@:3}" >"$root/verdict.txt" ||
        fail "$1 does not verify: $(cat "$root/verdict.txt")"
    "$AUDIT" verify-evidence "$root/bundles/$1.evidence" --authority "$FED/authority.pub" --json "${@:3}" >"$root/verdict.json" || fail "$1: --json"
    python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
sys.exit(not eval(sys.argv[2]))' "$root/verdict.json" "$2" || fail "$1: the verdict is another: $(cat "$root/verdict.json")"
}
id_of() { fed_tmx "$1" --json message "$2" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }

world_start
send DE IT taken refused
send DE CH waiting
await state_is DE waiting arrived || fail "CH did not get the third"
collect IT 5 --ack
[ "$(find "$root/in/IT" -type f | wc -l)" = 2 ] || fail "IT did not get both"
await state_is DE taken delivered || fail "no outcome of what was taken"
mkdir "$root/bundles"
cp "$FED/authority.pub" "$root/bundles/"

# --- once the witnesses have cosigned, all of it leads to heads that the quorum has seen: one, or what was logged before to an earlier one
led() { is "$1" 'd["log"]["cosigned"]["size"] == d["log"]["size"] and not d["log"]["cosigned"]["upgrading"]' True; }
for m in DE IT; do
    await led $m || fail "$m does not lead its evidence to a cosigned head: $(look $m 'd["log"]')"
done

# --- the sender's side: with the container, with its content, and without
evidence DE taken taken
verdict taken 'd["deliveries"][0]["state"] == "delivered" and {c["quorum"] for c in d["checkpoints"]} == {True}'
grep -q 'not prove' "$root/verdict.txt" || fail "the verdict does not say what is not proved"
evidence DE taken open --disclose
verdict open 'd["deliveries"][0]["state"] == "delivered"' --payload-out "$root/payload"
cmp -s "$root/payload" "$root/out/taken" || fail "the disclosed content is another"
evidence DE taken bare --without-container
[ "$(stat -c %s "$root/bundles/bare.evidence")" -lt "$(($(stat -c %s "$root/bundles/taken.evidence") - 3000))" ] || fail "the container was not left out"
verdict bare 'd["deliveries"][0]["state"] == "delivered"'

# --- the recipient's, after it erased what it took
evidence IT "$(id_of DE taken)" erased
verdict erased 'd["deliveries"][0]["state"] == "delivered" and {c["quorum"] for c in d["checkpoints"]} == {True}'

# --- what was refused: the sealed reason is in it, as it came and as it was made, and stays sealed
send DE IT unwanted
await state_is DE unwanted arrived || fail "IT did not get the fourth"
fed_tmx IT --json receive --wait 5 --to "$root/in/IT" >"$root/lease" || fail "IT could not lease it"
python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(d["id"], d["token"])' "$root/lease" >"$root/said"
read -r id token <"$root/said"
fed_tmx IT refuse "$id" "$token" --code 604 --reason "no goods" >"$root/said" 2>&1 || fail "IT could not refuse it: $(cat "$root/said")"
await state_is DE unwanted refused || fail "DE did not learn that it was refused"
for m in DE IT; do
    evidence $m "$id" "refused-$m"
    verdict "refused-$m" '[(s["kind"], s["attachment"]) for s in d["deliveries"][0]["steps"]][-1] == ("report", True)'
done
evidence DE unwanted refused-open --disclose
verdict refused-open 'd["content"]["state"] == "opened" and d["deliveries"][0]["state"] == "refused"'

# --- what has no outcome
evidence DE waiting waiting
verdict waiting 'd["deliveries"][0]["state"] == "arrived"'

# --- the verifier from the specification alone agrees, on these and on bent ones
/usr/bin/python3 -B "$source/tests/python/check-evidence.py" "$AUDIT" --folder "$root/bundles" >"$root/said" 2>&1 ||
    fail "the verifiers do not agree: $(tail -n 3 "$root/said")"

# --- the export, too, has a head that the quorum has cosigned, and the auditor sees it
verify
grep -qE '^witnessed +by 3 of 3, a quorum since 20' "$root/verdict" || fail "the export's head is not cosigned: $(cat "$root/verdict")"

awk '/witness/ { sub(/AAAA/, "AAAB") } { print }' "$root/export/checkpoint" >"$root/said" && cp "$root/said" "$root/export/checkpoint"
"$AUDIT" verify "$root/export" --authority "$FED/authority.pub" >"$root/verdict" && fail "a bent cosignature is passed over"
grep -q 'a cosignature of the head does not verify' "$root/verdict" || fail "the fault is another: $(cat "$root/verdict")"

# --- what is pruned of an export takes nothing from the evidence about it: bundles and receipts need no log. LOG-10
export_log() { "$AUDIT" export --socket "$FED/broker/run/control" "$root/export" >/dev/null || fail "the log could not be exported"; }
rm -rf "$root/export"
mapfile -t many < <(seq -f "bulk-%g" 256)
send DE IT "${many[@]}"
await state_is DE bulk-256 arrived || fail "IT did not get all of them"
for _ in 1 2 3 4; do collect IT 5 --ack; done
await state_is DE bulk-256 delivered || fail "no outcome of what was taken"
export_log
"$AUDIT" prove "$root/export" 5 --authority "$FED/authority.pub" --out "$root/receipt" || fail "no proof of an entry"
prune() { "$AUDIT" prune "$root/export" --before "$1" --authority "$FED/authority.pub" >"$root/said" 2>&1 || fail "not pruned: $(cat "$root/said")"; }
prune 512
waiting=$(id_of DE waiting)
grep -q "0 entries pruned" "$root/said" && grep -q "delivery without outcome, of message $waiting" "$root/said" ||
    fail "what has no outcome was pruned, or is not named: $(cat "$root/said")"
collect CH 1 --ack
await state_is DE waiting delivered || fail "no outcome of what had waited"
export_log
prune 512
[ ! -e "$root/export/tile/entries/000" ] && [ -e "$root/export/tile/0/000" ] || fail "it is not pruned: $(cat "$root/said")"
"$AUDIT" verify "$root/export" --authority "$FED/authority.pub" >"$root/verdict" || fail "a pruned export does not verify: $(cat "$root/verdict")"
grep -q '^pruned      entries 0 to 511' "$root/verdict" || fail "verify does not say what is pruned: $(cat "$root/verdict")"
verdict taken 'd["deliveries"][0]["state"] == "delivered"'
verdict erased 'd["deliveries"][0]["state"] == "delivered"'
"$AUDIT" prove "$root/export" 5 --authority "$FED/authority.pub" >"$root/bare" 2>"$root/said" || fail "no proof of a pruned entry: $(cat "$root/said")"
grep -q 'is pruned' "$root/said" && ! grep -q '^extra' "$root/bare" || fail "the proof of a pruned entry is another: $(cat "$root/bare")"
/usr/bin/python3 -B - "$source/tests/python" "$root/receipt" "$root/export" "$FED" <<'END' >"$root/said" 2>&1 || fail "by the specification: $(cat "$root/said")"
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from tmxspec import export, proofs
from tmxspec.directory import Authority, Directory
receipt, folder, federation = map(pathlib.Path, sys.argv[2:])
directory = Directory((folder / 'directories/1').read_bytes(), Authority.read((federation / 'authority.pub').read_text()))
log = directory.body.logs[0]
key = directory.origin(log.shard), log.key
index, entry = proofs.read_proof(receipt.read_text(), *key)
first, kept, leaves = export.read_kept(folder, *key)
assert index == 5 and first == 512 and leaves[5] == export.leaf_hash(entry) and len(kept) == len(leaves) - first
END

# --- errors name what is missing
fed_tmx DE evidence no-such >"$root/said" 2>&1 && fail "there is evidence of nothing"
grep -q 'no such message' "$root/said" || fail "the error is another: $(cat "$root/said")"
fed_tmx DE evidence taken --out "$root/bundles/taken.evidence" --disclose >"$root/said" 2>&1 && fail "a file was replaced"
say "eight bundles verify, twice each; $(stat -c %s "$root/bundles/bare.evidence") bytes without the container"
