#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What operators see of real daemons in trouble: members that never came or are stopped, deliveries that wait, a private key that is
# gone, a clock years off, a broker that hangs or is down; tmxctl status and every question of tmxctl check, with their exit codes.
# usage: status.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
world_end() { for m in DE IT broker; do kill -CONT "$(cat "$FED/$m/pid" 2>/dev/null)" 2>/dev/null; done; }   # who is stopped does not end
OTHER=$FED_BUILD/tests/integration/libother-host.so
FED_BROKER_CONF='late = 1 s'
mkdir -p "$root/out"
fed_create "$root/fed" 2026a "${MEMBERS[@]}" || exit 1
broker() { "$CTL" --broker "$FED/broker/run" "$@"; }
node() { "$CTL" --node "$FED/DE/run" "$@"; }
# answers WHO CODE PATTERN ARGUMENT…: that exit code, and a line that holds that
answers() {
    local who=$1 code=$2 pattern=$3
    shift 3
    $who "$@" >"$root/said" 2>&1
    [ $? -eq "$code" ] && grep -q "$pattern" "$root/said"
}
now() { answers "$@" || { cat "$root/said"; fail "$*"; }; }
soon() { await answers "$@" || { cat "$root/said"; fail "$*"; }; }
# How long the fastest of fifteen takes, in milliseconds: what others do on this machine is not the daemon's fault.
fastest() {
    python3 -c 'import subprocess, sys, time
best = 1e9
for _ in range(15):
    start = time.monotonic()
    subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    best = min(best, time.monotonic() - start)
print(int(best * 1000))' "$@"
}

# --- a node without its broker; a broker that nobody is linked to
fed_start_node DE || exit 1
now node 2 'TMX PEERS CRITICAL - the link to the broker at tcp://.* is down' check peers
now node 1 'TMX LOG WARNING - no head' check log
now node 1 'warning: no link to the broker: submissions wait here; see: journalctl -u tmx-node@DE' status
kill -STOP "$(cat "$FED/DE/pid")"   # it would be linked before one can look
fed_start_broker || exit 1
now broker 2 'TMX PEERS CRITICAL - 0 of 2 members are linked; away: DE, IT' check peers
kill -CONT "$(cat "$FED/DE/pid")"
soon node 0 'TMX PEERS OK' check peers
soon broker 1 'TMX PEERS WARNING - 1 of 2 members are linked; away: IT | linked=1 away=1' check peers
now broker 1 'TMX COSIGNED WARNING - no head is cosigned yet by a quorum of the 2 witnesses' check cosigned
soon broker 1 'warning: IT: not linked since the start of the broker .*s ago; see: tmxctl --broker .* why IT' status
grep -q '^IT *never' "$root/said" || { cat "$root/said"; fail "IT is not shown as never linked"; }
grep -q '^1 of 2 destinations is well: --all$' "$root/said" || { cat "$root/said"; fail "who is well is not hidden"; }

# --- all is well
fed_start_node IT || exit 1
for m in DE IT; do await knows_prekeys $m || fail "$m never learned the prekeys"; done
soon broker 0 'TMX PEERS OK - 2 of 2' check peers
soon broker 0 'TMX COSIGNED OK - by 2 of 2 witnesses' check cosigned
now broker 0 'TMX LOG OK - tmx.demo/log/2026a, [0-9]* entries' check log
now broker 0 'TMX DISK OK' check disk
now broker 0 'TMX KEYS OK - prekeys of ..: ' check keys
now broker 0 'TMX DIRECTORY OK - serial 1 ' check directory
now broker 1 'TMX DIRECTORY WARNING' check directory --within 1000d
now broker 0 'TMX CLOCK OK' check clock
now broker 0 'TMX BACKLOG OK - nothing waits' check backlog
now broker 0 'all 2 destinations are well, 0 wait: --all' status
send DE IT well
collect IT 5 --ack
await state_is DE well delivered || fail "the first message was not delivered"
await is broker 'd["latency"]["delivered_ms"]["p50"][0] >= 0 and d["rates"]["delivered"][1] > 0' True || fail "no pace: $(look broker d)"
await is DE 'd["latency"]["delivered_ms"]["p99"][1] > 0 and d["rates"]["submitted"][0] > 0' True || fail "no pace: $(look DE d)"

# --- a member that takes nothing more: it holds nobody up who asks
kill -STOP "$(cat "$FED/IT/pid")"
send DE IT late
soon broker 1 'TMX BACKLOG WARNING - IT: oldest .* (limit 2 s), 1 wait in all | oldest=[0-9]*s;2;8 queued=1' check backlog --max-age 2s
soon node 1 'TMX BACKLOG WARNING - IT: oldest .* (limit 14 s), 1 wait in all' check backlog --max-age 14s
ms=$(fastest "$CTL" --broker "$FED/broker/run" status)
[ "$ms" -lt 100 ] || fail "a status took $ms ms while a member was stopped"
await is broker 'd["destinations"][1]["late"], sum(d["destinations"][1]["ages"])' '(1, 1)' || fail "ages: $(look broker 'd["destinations"]')"
now broker 1 'warning: IT: 1 wait longer than 1 s; see: tmxctl --broker .* queue IT' status
grep -q '^IT .* 1 ' "$root/said" || { cat "$root/said"; fail "IT is hidden"; }
eval "$(grep -o 'tmxctl --broker .* queue IT' "$root/said" | sed "s|^tmxctl --broker .* queue|broker queue|")" | grep -q CD974C ||
    fail "the command that looks deeper shows nothing"
soon broker 2 'TMX BACKLOG CRITICAL - IT' check backlog --max-age 1s
fed_stop broker
fed_start_broker || exit 1
await is broker 'sum(d["destinations"][1]["ages"])' 1 || fail "the ages are not known after a restart"
kill -CONT "$(cat "$FED/IT/pid")"
collect IT 5 --ack
soon broker 0 'nothing waits' check backlog
say "a status took $ms ms while a member was stopped"

# --- a node that stops in good order is away at once, not after 20 s of silence
link_of() { is broker '[x["link"] for x in d["destinations"] if x["member"] == "IT"][0]' "$1"; }
silences=$(grep -c 'event=link.silent' "$FED/broker/log")
start=$(date +%s%N)
fed_stop IT
await link_of down || fail "IT has stopped and is not away"
ms=$((($(date +%s%N) - start) / 1000000))
grep -q 'event=link.bye member=IT' "$FED/broker/log" || fail "IT said no Bye"
[ "$(grep -c 'event=link.silent' "$FED/broker/log")" -eq "$silences" ] || fail "IT was found away by its silence"
[ "$ms" -lt 5000 ] || fail "IT was away after $ms ms"   # 20 s without a Bye; 0.3 s on a machine at rest
soon broker 1 'warning: IT: away for .*s; see: tmxctl --broker .* why IT' status
say "a node that stopped was away after $ms ms"
fed_start_node IT || exit 1
await link_of up || fail "IT does not come back"
soon broker 0 'all 2 destinations are well' status   # DE, too, comes back to the broker that was started again

# --- the key that the daemon signs with is gone
mv "$FED/broker/keys/log.key" "$FED/broker/keys/log.key.away"
now broker 2 'critical: .*log.key cannot be read.*see: ls -l ' status
now broker 2 'TMX KEYS CRITICAL - .*log.key cannot be read' check keys
mv "$FED/broker/keys/log.key.away" "$FED/broker/keys/log.key"
mv "$FED/DE/keys/signing.key" "$FED/DE/keys/signing.key.away"
now node 2 'critical: .*signing.key cannot be read' status
mv "$FED/DE/keys/signing.key.away" "$FED/DE/keys/signing.key"
now node 0 'TMX KEYS OK' check keys

# --- a broker that hangs: the status it wrote last; then one that is down
await test -f "$FED/broker/run/status.json" || fail "there is no status.json"
kill -STOP "$(cat "$FED/broker/pid")"
start=$SECONDS
now broker 3 '^STALE: as of .* UTC, .* ago$' status
now broker 3 'TMX LOG UNKNOWN - the broker does not answer: no answer in time' check log
[ $((SECONDS - start)) -le 15 ] || fail "two questions of a broker that hangs took $((SECONDS - start)) s"
kill -CONT "$(cat "$FED/broker/pid")"
soon broker 0 'TMX LOG OK' check log
fed_stop broker
now broker 3 '^STALE: as of ' status
ms=$(fastest "$CTL" --broker "$FED/broker/run" status)
[ "$ms" -lt 100 ] || fail "a status took $ms ms while the broker was down"
now broker 3 'TMX DISK UNKNOWN - the broker does not answer: ' check disk

# --- a clock years off: the node sees it at its next link (what the broker's members do not confirm, it does not believe itself)
LD_PRELOAD=$OTHER OTHER_HOST=early-clock "$BROKER" run --config "$FED/broker/tmx-broker.conf" >>"$FED/broker/log" 2>&1 &
echo $! >"$FED/broker/pid"
soon node 2 'TMX CLOCK CRITICAL - it jumped, or disagrees with the others' check clock
now node 2 "critical: the clock jumped or differs from the broker's: nothing expires; see: timedatectl" status
say "status and check tell what is so"
