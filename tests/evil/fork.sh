#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A broker's spool and marker are put back from a backup, as processes. The honest broker stops when a node shows it what it had
# signed (LINK-5). One that will not see it (lies.c) shows IT another history than it showed DE: the witnesses' majority
# cosigns one of the two only, and DE, once it is shown the other, uses nothing of it, and writes the proof into a file by
# itself, which convinces others. LINK-6, LOG-8, WIT-3
# usage: fork.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(CH DE IT)
# shellcheck source=tests/integration/world.sh
. "$1/tests/integration/world.sh"
# shellcheck source=tests/integration/causes.sh
. "$1/tests/integration/causes.sh"

size() { look broker 'd["log"]["size"]'; }
cosigned() { look broker 'd["log"]["cosigned"]["size"]'; }
all_cosigned() { [ "$(cosigned)" = "$(size)" ]; }
critical() { is "$1" 'd["health"]' critical; }
proof() { find "$FED/DE/proofs" -name 'misbehaviour-*[0-9]' 2>/dev/null | head -n 1; }
written() { [ -n "$(proof)" ]; }
judge() { "$AUDIT" verify-misbehaviour "$@" --authority "$FED/authority.pub"; }
export_to() { "$AUDIT" export --socket "$FED/broker/run/control" "$1" >/dev/null || fail "the log could not be exported"; }
put_back() { rm -rf "$FED/broker/spool" "$FED/broker/marker"; cp -a "$root/backup/spool" "$root/backup/marker" "$FED/broker/"; }

# --- what everybody knows, the backup, and what came after it
world_start
send DE IT common
collect IT 10 --ack
await settled || fail "the first message has no outcome"
await all_cosigned || fail "the first head is not cosigned"
common=$(cosigned)
fed_stop IT
fed_stop broker
mkdir "$root/backup"
cp -a "$FED/broker/spool" "$FED/broker/marker" "$root/backup/"
fed_start_broker || exit 1
n=0
until [ $n -ge 2 ]; do
    n=$((n + 1))
    send DE CH "first-$n"
    collect CH 10 --ack
    await settled || fail "a message on the first branch has no outcome"
done
await all_cosigned || fail "two of three are a majority, and have not cosigned the first branch"
export_to "$root/first"
first=$(size)
await is DE 'd["log"]["size"]' "$first" || fail "DE does not know the head of the first branch"
for m in DE CH broker; do fed_stop $m; done

# --- the honest broker on the old spool
put_back
fed_start_broker && fed_start_node DE || exit 1
await critical broker || fail "an honest broker goes on although it was shown a head that it does not have"
problem broker critical 'a node showed a signed head beyond this log: nothing is signed any more'
cause broker CH 'halted *' 'find the latest spool'
checks broker 2 'TMX LOG CRITICAL - a node showed a head beyond this log' log
grep -q 'event=log.fork-shown' "$FED/broker/log" || fail "it does not say why"
written && fail "DE writes a proof of what the honest broker did not sign"
fed_stop DE
fed_stop broker

# --- the evil one: IT is shown another history
put_back
echo "gate_program = $FED_BUILD/broker/gate/tmx-gate" >>"$FED/broker/tmx-broker.conf"
BROKER=$FED_BUILD/tests/evil/evil-broker
fed_start_broker && fed_start_node IT || exit 1
for ((n = 0; $(size) <= first; n++)); do
    send IT DE "second-$n"
    await state_is IT "second-$n" accepted || fail "the evil broker does not go on"
done
export_to "$root/second"

fed_start_node DE || exit 1
await critical DE || fail "DE does not notice the other history"
await written || fail "DE wrote no proof"
judge "$(proof)" >"$root/verdict" || { cat "$root/verdict"; fail "the proof proves nothing"; }
grep -q '^verdict     FORK' "$root/verdict" || fail "the verdict is another"
problem DE critical "^the broker showed what does not fit its log: nothing of it is used. The proof is $(proof);"
cause DE DE distrust 'misbehaviour; when the matter is cleared'
checks DE 2 'TMX LOG CRITICAL - the broker showed what does not fit its log' log
fed_ctl DE misbehaviour | cmp - "$(proof)" || fail "tmxctl misbehaviour prints something else"
collect DE 1
[ "$(copies DE second-0)" -eq 0 ] || fail "DE's application was handed something of the other history"
[ "$(cosigned)" -le "$common" ] || fail "a quorum has cosigned both branches"
fed_tmx IT --json list >/dev/null || fail "IT is gone"

# --- the file again, after it was lost; and what others make of it
cp "$(proof)" "$root/proof"
fed_stop DE
rm -rf "$FED/DE/proofs"
touch "$FED/DE/proofs"      # no folder
fed_start_node DE || exit 1
problem DE critical 'nothing of it is used. The proof cannot be written to '
rm "$FED/DE/proofs"
await written || fail "the proof is not written again"
cmp "$(proof)" "$root/proof" || fail "it is another one"
"$AUDIT" compare "$root/first" "$root/second" --authority "$FED/authority.pub" --out "$root/fork" >"$root/verdict" && fail "two branches are one history"
python3 -B - "$1" "$root/first" "$root/proof" "$root/fork" <<'PY' || fail "the proofs do not convince who shares no code with TMX"
import pathlib, subprocess, sys
sys.path.insert(0, sys.argv[1] + '/tests/python')
from tmxspec import proofs
from tmxspec.canonical import directory as pb
signed = pb.SignedDirectory.FromString((pathlib.Path(sys.argv[2]) / 'directories/1').read_bytes())
log, = pb.Directory.FromString(signed.directory).logs
for path in sys.argv[3:]:
    text = pathlib.Path(path).read_text()
    assert proofs.read_fork(text, 'tmx.demo/log/2026a', log.key), text
PY
judge "$root/fork" --directory "$(proof).directory" >/dev/null || fail "the proof of compare proves nothing"
say "heads of $first and $(size) entries, $common of them cosigned on both branches; DE proved the fork"
