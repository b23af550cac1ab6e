#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One member's gate is attacked in every way an outsider and a hostile member have, and killed: what is no proof of an admitted
# key gets nowhere, memory stays under the gate's cap, the broker starts the gate again, and the messages of the others pass
# meanwhile. TRA-1, TRA-2, TRA-4, QUE-10
# usage: gate-flood.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(CH DE IT)
CAP=$((48 << 20))
PASS_MS=10000     # a message of others, from submission to its CoA, whatever goes on beside it
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"

hostile() { exec /usr/bin/python3 "$(dirname "$0")/hostile.py" "$@"; }   # in a subshell: so that it has its own pid
attack() { (hostile "$1" "$endpoint" "$FED/DE/keys/curve.key" "$server"); }
gate() { look broker "next(g$2 for g in d['gates'] if g['member'] == '$1')"; }
counted() { [ "$(gate DE "['counters']['$1']")" -gt "$2" ]; }
malformed() { look broker 'd["counters"]["malformed"]'; }
now_ms() { date +%s%3N; }

# One message of the others.
passes() {
    local start
    start=$(now_ms)
    number=$((number + 1))
    send CH IT "beside-$number"
    await state_is CH "beside-$number" arrived || fail "CH and IT wait for the attacker ($1)"
    local took=$(($(now_ms) - start))
    [ $took -lt $PASS_MS ] || fail "a message of CH took $took ms ($1)"
    [ $took -le "$slowest" ] || slowest=$took
}

# Messages of the others for three seconds and more beside that flood.
beside() {
    local end=$((SECONDS + 3)) slowest=0 before=$number
    hostile "$1" "$endpoint" "$FED/DE/keys/curve.key" "$server" &
    flood=$!
    while [ $SECONDS -lt $end ]; do
        passes "$1"
    done
    "${@:2}"
    kill -TERM $flood && wait $flood
    flood=''
    say "$1: $((number - before)) messages of others beside it, the slowest in $slowest ms"
}

de_works() {
    fed_start_node DE || exit 1
    number=$((number + 1))
    send DE IT "de-$number"
    await state_is DE "de-$number" arrived || fail "DE cannot go on after $1"
    fed_stop DE
}

number=0 slowest=0 flood='' watcher=''
world_end() { for p in $flood $watcher; do kill -KILL "$p" 2>/dev/null; done; }
FED_BROKER_CONF="gate_memory = $((CAP >> 20)) MiB"
world_start
endpoint=$(gate DE "['endpoint']")
server=$(awk '$1 == "public" { print $2 }' "$FED/broker/keys/gate-DE.key")
fed_stop DE     # its key is in hostile hands now
first_ch=$(gate CH "['pid']") first_it=$(gate IT "['pid']")
hostile watch "$(cat "$FED/broker/pid")" "$root/peaks" &
watcher=$!

# --- at the port: no handshake, no CURVE, a wrong key on either side
for a in stranger server null; do
    attack $a || fail "the gate let in what it must refuse ($a)"
done
await counted refused 0 || fail "the refusal of an unknown key is not counted"
refusal_logged() { grep -qE 'event=transport.refused endpoint=\S+ address=127.0.0.1 key=[0-9a-f]{64} number=[0-9]+' "$FED/broker/log"; }
await refusal_logged || fail "who was refused is not in the broker's log"
beside connections

# --- with an admitted key: what is no message of the link
attack oversize || fail "a frame above the limit did not cost its sender the connection"
attack parts
before=$(malformed)
beside large
beside tiny
[ "$(malformed)" -gt "$before" ] || fail "garbage from an admitted key is not counted"
de_works floods

# --- and what no option of the library bounds: the cap does
restarted() { [ "$(gate DE "['restarts']")" -gt "$1" ]; }
await_restart() { await restarted "$1" || fail "the gate was not started again after $2"; }
n=$(gate DE "['restarts']")
gates_peak() { awk -v a="$first_ch" -v b="$first_it" '$1 != a && $1 != b && $2 > m { m = $2 } END { print m + 0 }' "$root/peaks"; }
# At its cap a gate dies and is started again, or the library gets no memory for one more part and ends the connection.
went_off() { [ "$(gates_peak)" -gt $((CAP / 3)) ]; }
await_bomb() { await went_off || fail "the bomb did not go off: the gate was never above $(($(gates_peak) >> 20)) MiB"; }
beside bomb await_bomb
kill -TERM $watcher && wait $watcher
watcher=''
peak=$(gates_peak)
peak_all=$(awk '$3 > m { m = $3 } END { print m + 0 }' "$root/peaks")
[ "$peak" -le $CAP ] || fail "the gate of DE had $((peak >> 20)) MiB, its cap is $((CAP >> 20))"
[ "$peak_all" -le $((CAP + (24 << 20))) ] || fail "with its program text a gate had $((peak_all >> 20)) MiB"
de_works "the bomb"
[ "$(gate DE "['restarts']")" -gt "$n" ] && say "the bomb: the gate died of it and was started again" ||
    say "the bomb: the gate outlived it, its connection did not"

# --- killed
n=$(gate DE "['restarts']")
pid=$(gate DE "['pid']")
kill -KILL "$pid" || fail "the gate of DE does not run"
await_restart "$n" "a kill"
passes kill
de_works "a kill"

[ "$(gate CH "['pid']") $(gate IT "['pid']")" = "$first_ch $first_it" ] || fail "the gate of another member was restarted"
collect IT 5 --ack
while ! settled && [ "$(wc -l <"$root/in/IT.log")" -lt "$number" ]; do
    collect IT 2 --ack
done
each_once IT || fail "not every message came out once"
verify
say "the gate peaked at $((peak >> 20)) of $((CAP >> 20)) MiB; nobody else noticed"
