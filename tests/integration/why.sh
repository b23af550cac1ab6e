#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tmxctl why: each cause is made by a fault of its own, in real daemons and a network of its own, and is named first, by the
# broker, by the node, or by both. The node of IT sits in a second network, whose way to the gates is broken in every manner.
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
GATES=10.9.9.1
CAP=$((48 << 20))
MRN=26DE004051K7M2P8J8
shift_clock=$FED_BUILD/tests/integration/libshift-clock.so
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

# --- asking
ask() { fed_ctl "$1" --json why "$2" 2>/dev/null; }
causes() { ask "$1" "$2" | python3 -c 'import json, sys; print(*[c["code"] for c in json.load(sys.stdin)["causes"]])' 2>/dev/null; }
first_is() { [ "$(causes "$1" "$2" | cut -d' ' -f1)" = "$3" ]; }
among() { [[ " $(causes "$1" "$2") " == *" $3 "* ]]; }
none() { [ -z "$(causes "$1" "$2")" ]; }
count=0
# first_cause NAME WORD CODE [PATTERN]: the first cause is this one, with evidence or remedy like that; the line is shown
first_cause() {
    await first_is "$1" "$2" "$3" || fail "why $2 at $1 is not $3 but: $(causes "$1" "$2")"
    fed_ctl "$1" why "$2" >"$root/screen"
    grep -qE -- "${4:-.}" "$root/screen" || fail "why $2 at $1 does not say $4: $(cat "$root/screen")"
    sed -n "1s/^/$1 why $2: /p" "$root/screen"
    count=$((count + 1))
}
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
# start_shifted SECONDS broker|MEMBER
start_shifted() {
    export LD_PRELOAD=$shift_clock SHIFT_CLOCK_S=$1
    if [ "$2" = broker ]; then fed_start_broker; else fed_start_node "$2"; fi
    local r=$?
    unset LD_PRELOAD SHIFT_CLOCK_S
    return $r
}

mkdir -p "$root/out" "$root/in"
FED_HOST=$GATES FED_BROKER_CONF="gate_memory = $((CAP >> 20)) MiB"
fed_create "$root/fed" 2026a "${MEMBERS[@]}" || exit 1
cp "$FED/CH/keys/curve.key" "$root/right.key"
"$AUTHORITY" request --member CH --name other --keys "$root/other" --out "$root/request" >/dev/null
cp -f "$root/other/curve.key" "$FED/CH/keys/curve.key"
fed_start_broker && fed_start_node CH && fed_start_node DE || exit 1
gate() { look broker "next(g['endpoint'] for g in d['gates'] if g['member'] == '$1')"; }
it_port=$(gate IT); it_port=${it_port##*:}

# --- the way from the node of IT: nobody listens, no CURVE, another gate's key, packets dropped
in_there ip addr add $GATES/32 dev lo
start_there || exit 1
first_cause IT IT port-closed "tcp://$GATES:$it_port"
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
    if [ $kind = null ]; then first_cause IT IT handshake 'does not speak CURVE'; else first_cause IT IT gate-key 'does not hold the key'; fi
    fed_stop IT
    kill $listener; wait $listener 2>/dev/null
done
in_there ip addr del $GATES/32 dev lo
in_there ip neigh replace $GATES lladdr 02:00:00:00:00:99 dev there nud permanent
start_there || exit 1
first_cause IT IT port-blocked 'firewalls'
first_cause broker IT port-blocked 'no TCP connection came to'
in_there ip neigh del $GATES dev there
fed_stop IT
start_there || exit 1
await linked IT || fail "IT is not linked when nothing is in its way"

# --- nothing is wrong, and it says what it looked at
await linked DE || fail "not linked"
await none broker DE || fail "there is something: $(causes broker DE)"
fed_ctl broker why DE >"$root/screen" || fail "a healthy member is no success"
grep -q 'nothing is in the way' "$root/screen" && grep -q 'link-down .*its link is up' "$root/screen" || fail "it does not say what it looked at"

# --- who is not there, never came, or is suspended
first_cause broker XX unknown-member 'lists 4 members'
first_cause DE XX unknown-member
first_cause broker FR port-blocked
among broker FR missing-prekey || fail "FR has published no prekeys"
among DE FR missing-prekey || fail "DE does not know that FR has none"
"$AUTHORITY" suspend --dir "$FED/authority" FR >/dev/null && install
first_cause broker FR member-suspended 'reinstate FR'
first_cause DE FR member-status 'waits at the broker'

# --- keys: the node of CH has another transport key than it was admitted with; a stranger without CURVE is at a gate
first_cause CH CH wrong-key 'does not list'
first_cause broker CH wrong-key 'no member has'
fed_stop CH
cp -f "$root/right.key" "$FED/CH/keys/curve.key"
server=$(awk '$1 == "public" { print $2 }' "$FED/broker/keys/gate-FR.key")
(hostile null "$(gate FR)" "$FED/FR/keys/curve.key" "$server") || fail "the gate let in a stranger without CURVE"
await among broker FR handshake || fail "the handshake that broke off is not told: $(causes broker FR)"

# --- queues: CH is away, comes, and does not take; its application lets leases lapse
fed_tmx DE send --to CH --type CD974C --mrn $MRN --reference one <(echo one) >/dev/null && send_two() {
    fed_tmx DE send --to CH --type CD974C --mrn $MRN --reference two "$root/out/two" >/dev/null
}
echo two >"$root/out/two"
send_two || fail "not sent"
await state_is DE two accepted || fail "two is not accepted"
one=$(id_of DE one) two=$(id_of DE two)
await among broker "$two" lane-closed || fail "the lane is not closed: $(causes broker "$two")"
among broker "$two" link-down || fail "a message does not show that its recipient is away"
among DE "$two" under-way || fail "the sender does not know where it is"
fed_start_node CH || exit 1
await state_is DE two arrived || fail "two did not arrive"
first_cause CH "$two" lane-closed "why $one"
first_cause CH "$one" slow-consumer 'receive'
first_cause broker CH slow-consumer
lapse() { fed_tmx CH receive --lease 1s --max 1 --to "$root/in" >/dev/null 2>&1; among CH "$one" held; }
await lapse || fail "it is not held: $(causes CH "$one")"
first_cause CH CH held "release $one"

# --- a gate at its cap
server=$(awk '$1 == "public" { print $2 }' "$FED/broker/keys/gate-DE.key")
fed_stop DE
(hostile bomb "$(gate DE)" "$FED/DE/keys/curve.key" "$server") &
bomb=$!
await among broker DE gate-memory || fail "the gate is not at its cap: $(causes broker DE)"
kill -KILL $bomb; wait $bomb 2>/dev/null; bomb=''

# --- clocks and the directory
start_shifted 3600 DE || exit 1
first_cause DE DE clock 'clock.doubt'
fed_stop DE
fed_stop IT
fed_stop CH
fed_stop broker
start_shifted $((400 * 86400)) broker && start_shifted $((400 * 86400)) DE || exit 1
first_cause broker DE directory-expired 'tmxctl directory install'
first_cause DE DE directory-expired
say "$count causes, each by its fault"
