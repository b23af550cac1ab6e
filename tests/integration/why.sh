#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tmxctl why: each cause is made by a fault of its own, in real daemons and a network of its own, and is named first, and with no other
# but what follows from it, by the broker, by the node, or by both. The node of IT sits in a second network, whose way to the gates
# is broken in every manner. More of them: faults.sh
# usage: why.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(CH DE FR IT)
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
if [ "${3:-}" != inside ]; then
    exec "${as_root[@]}" unshare --net setpriv --reuid "$(id -u)" --regid "$(id -g)" --init-groups bash "$0" "$1" "$2" inside
fi
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
# shellcheck source=tests/integration/causes.sh
. "$(dirname "$0")/causes.sh"
GATES=10.9.9.1
CAP=$((48 << 20))
MRN=26DE004051K7M2P8J8
hostile() { exec /usr/bin/python3 "$(dirname "$0")/hostile.py" "$@"; }
bomb='' there=''
world_end() { for p in $bomb $there; do "${as_root[@]}" kill -KILL "$p" 2>/dev/null; wait "$p" 2>/dev/null; done; }

# --- two networks
"${as_root[@]}" ip link set lo up
(exec "${as_root[@]}" unshare --net sleep 600) &
there=$!
elsewhere() {
    there=$(pgrep -P $! || echo $!)    # of sudo, where that is needed
    [ "$("${as_root[@]}" readlink "/proc/$there/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}
await elsewhere || fail "no second network"
in_there() { "${as_root[@]}" nsenter --target "$there" --net "$@"; }
# The same as this user, in the place of a subshell: so that its pid is the program's.
exec_there() { exec "${as_root[@]}" nsenter --target "$there" --net setpriv --reuid "$(id -u)" --regid "$(id -g)" --init-groups "$@"; }
"${as_root[@]}" ip link add here type veth peer name there
"${as_root[@]}" ip link set there netns "$there"
"${as_root[@]}" ip addr add $GATES/24 dev here && "${as_root[@]}" ip link set here up
in_there ip addr add 10.9.9.2/24 dev there && in_there ip link set there up && in_there ip link set lo up

id_of() { fed_tmx "$1" --json message "$2" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }
linked() { is broker "[x['link'] for x in d['destinations'] if x['member'] == '$1']" "['up']"; }
start_there() {
    (exec_there "$NODE" run --config "$FED/IT/tmx-node.conf") >>"$FED/IT/log" 2>&1 &
    echo $! >"$FED/IT/pid"
    fed_await IT $!
}
install() {
    fed_sign "$@" || fail "the directory was not signed"
    fed_ctl broker directory install "$FED/directory.tmx" >/dev/null || fail "the directory was not installed"
}

mkdir -p "$root/out" "$root/in"
FED_HOST=$GATES FED_BROKER_CONF="gate_memory = $((CAP >> 20)) MiB"
fed_create "$root/fed" 2026a "${MEMBERS[@]}" || exit 1
rm -f "$FED/CH/keys/curve.key"
"$AUTHORITY" request --member CH --name 'Customs administration of CH' --keys "$FED/CH/keys" --out "$root/request" >/dev/null || exit 1
fed_start_broker && fed_start_node DE || exit 1
gate() { look broker "next(g['endpoint'] for g in d['gates'] if g['member'] == '$1')"; }
it_port=$(gate IT); it_port=${it_port##*:}

# --- the way from the node of IT: nobody listens, no CURVE, another gate's key, packets dropped
in_there ip addr add $GATES/32 dev lo
start_there || exit 1
cause IT IT 'port-closed link-down' "tcp://$GATES:$it_port"
fed_stop IT
cat >"$root/listen.py" <<'END'
import sys, zmq
s = zmq.Context().socket(zmq.ROUTER)
if sys.argv[2] == 'curve':
    s.curve_server = True
    s.curve_publickey, s.curve_secretkey = zmq.curve_keypair()
s.bind(sys.argv[1])
while True:
    s.recv()
END
for kind in null curve; do
    (exec_there /usr/bin/python3 "$root/listen.py" "tcp://$GATES:$it_port" $kind) &
    listener=$!
    start_there || exit 1
    if [ $kind = null ]; then cause IT IT 'handshake link-down' 'does not speak CURVE'; else cause IT IT 'gate-key link-down' 'does not hold the key'; fi
    fed_stop IT
    kill $listener; wait $listener 2>/dev/null
done
in_there ip addr del $GATES/32 dev lo
in_there ip neigh replace $GATES lladdr 02:00:00:00:00:99 dev there nud permanent
start_there || exit 1
cause IT IT 'port-blocked link-down' 'firewalls'
cause broker IT 'port-blocked link-down missing-prekey' 'no TCP connection came to'
in_there ip neigh del $GATES dev there
fed_stop IT
start_there || exit 1
await linked IT || fail "IT is not linked when nothing is in its way"

# --- nothing is wrong, and it says what it looked at
await linked DE || fail "not linked"
no_cause broker DE
fed_ctl broker why DE >"$root/screen" || fail "a healthy member is no success"
grep -q 'nothing is in the way' "$root/screen" && grep -q 'link-down .*its link is up' "$root/screen" || fail "it does not say what it looked at"

# --- who is not there, never came, or is suspended
cause broker XX unknown-member 'lists 4 members'
cause DE XX unknown-member
cause broker FR 'port-blocked link-down missing-prekey'
cause DE FR missing-prekey 'no prekeys of it have been seen'
"$AUTHORITY" suspend --dir "$FED/authority" IT >/dev/null && install
cause broker IT member-suspended 'reinstate IT'
cause DE IT member-status 'waits at the broker'
cause IT IT member-status 'may collect and report'
"$AUTHORITY" reinstate --dir "$FED/authority" IT >/dev/null && install
for m in broker DE IT; do no_cause $m IT; done

# --- keys: the node of CH has another transport key than it was admitted with; a stranger without CURVE is at a gate
fed_start_node CH || exit 1
cause CH CH 'wrong-key link-down' 'does not list'
cause broker CH 'wrong-key link-down missing-prekey' 'no member has'
server=$(awk '$1 == "public" { print $2 }' "$FED/broker/keys/gate-FR.key")
(hostile null "$(gate FR)" "$FED/FR/keys/curve.key" "$server") || fail "the gate let in a stranger without CURVE"
cause broker FR 'handshake link-down missing-prekey' 'does not speak CURVE'
"$AUTHORITY" admit --dir "$FED/authority" "$root/request" >/dev/null && install
await linked CH || await linked CH || await linked CH || fail "its key is admitted, and the node of CH does not link by itself"
for m in broker CH; do no_cause $m CH; done
fed_stop CH

# --- queues: CH is away, comes, and does not take; its application lets leases lapse
fed_tmx DE send --to CH --type CD974C --mrn $MRN --reference one <(echo one) >/dev/null && send_two() {
    fed_tmx DE send --to CH --type CD974C --mrn $MRN --reference two "$root/out/two" >/dev/null
}
echo two >"$root/out/two"
send_two || fail "not sent"
await state_is DE two accepted || fail "two is not accepted"
one=$(id_of DE one) two=$(id_of DE two)
cause broker "$two" '*link-down lane-closed' "$one of the same sender is before it"
cause DE "$two" under-way 'the broker has it'
fed_start_node CH || exit 1
await state_is DE two arrived || fail "two did not arrive"
cause CH "$two" lane-closed "why $one"
cause CH "$one" slow-consumer 'receive'
cause broker CH slow-consumer
lapse() { fed_tmx CH receive --lease 1s --max 1 --to "$root/in" >/dev/null 2>&1; causes_are CH "$one" held; }
await lapse || fail "it is not held: $(causes CH "$one")"
cause CH "$one" held "release $one"
cause CH CH 'held lane-closed' "release $one"
problem CH warning '^1 held: no application is offered it until an operator releases it'
problem CH warning '^1 alarm in the last 24 h, the last message.held'

# --- a gate at its cap
server=$(awk '$1 == "public" { print $2 }' "$FED/broker/keys/gate-DE.key")
fed_stop DE
(hostile bomb "$(gate DE)" "$FED/DE/keys/curve.key" "$server") &
bomb=$!
cause broker DE 'gate-memory *' 'gate_memory in'
kill -KILL $bomb; wait $bomb 2>/dev/null; bomb=''

# --- clocks and the directory
clock_of off 3600 && clock_of later $((400 * 86400))
start_on off DE || exit 1
cause DE DE clock 'clock.doubt'
for m in DE IT CH broker; do fed_stop $m; done
start_on later broker && start_on later DE || exit 1
cause broker DE 'directory-expired*' 'tmxctl directory install'
problem broker critical 'the directory has expired, nothing new is taken'
cause DE DE directory-expired
say "$count causes, each by its fault"
