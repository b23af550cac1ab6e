#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What operators are told when something is wrong, by real daemons with real faults: a port that is taken, a member without gate, a
# broker that hangs, a node that was put back, a member that missed the authority's new keys, a full queue, clocks, witnesses
# that are away, what ends soon. Each is told by its causes and no others, and when it is mended, by none. The way of the network, and
# keys: why.sh. DIR-3, DIR-6, DIR-8, QUE-12
# usage: faults.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(CH DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
# shellcheck source=tests/integration/causes.sh
. "$(dirname "$0")/causes.sh"
other=''
world_end() { kill -CONT "$(cat "$FED/broker/pid" 2>/dev/null)" 2>/dev/null; [ -z "$other" ] || kill "$other"; }
broker_pid() { cat "$FED/broker/pid"; }
link_of() { is broker "[x['link'] for x in d['destinations'] if x['member'] == '$1']" "['$2']"; }
id_of() { fed_tmx "$1" --json message "$2" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }
gate() { look broker "next(g$2 for g in d['gates'] if g['member'] == '$1')"; }
endpoint() { "$AUTHORITY" show "$FED/directory.tmx" --json | python3 -c 'import json, sys
print(next(g["endpoint"] for g in json.load(sys.stdin)["gates"] if g["member"] == sys.argv[1]))' "$1"; }
authority() { "$AUTHORITY" "$@" --dir "$FED/authority" >"$root/said" 2>&1 || fail "tmx-authority $*: ended with $?: $(cat "$root/said")"; }
install() {     # install NAME: the directory that was signed
    fed_ctl "$1" directory install "$FED/directory.tmx" >"$root/said" 2>&1 || fail "$1 does not take the directory: $(cat "$root/said")"
}
serial_is() { is "$1" 'd["directory"]["serial"]' "$2"; }

mkdir -p "$root/out" "$root/in"
# A fourth member, which has no gate yet.
FED_BROKER_CONF=$'queue_max = 3\nlate = 1 s'
fed_create "$root/fed" 2026a "${MEMBERS[@]}" || exit 1
mkdir "$FED/FR"
"$AUTHORITY" request --member FR --name 'Customs administration of FR' --keys "$FED/FR/keys" --out "$FED/FR.request" >/dev/null || fail "no request"
authority admit "$FED/FR.request"
fed_sign || fail "FR was not admitted"
fed_node_conf FR && fed_node_conf DE 'late = 1 s'
"$NODE" init --config "$FED/FR/tmx-node.conf" >/dev/null || fail "no spool for FR"
FED_MEMBERS+=(FR)
for c in broker nodes; do clock_of $c; done

# --- somebody else has the port of a gate
it=$(endpoint IT)
python3 -c 'import socket, sys, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(600)' "${it##*:}" &
other=$!
taken() { [ -n "$(ss -Hltn "sport = :${it##*:}")" ]; }
await taken || fail "nobody has the port"
start_on broker broker || exit 1
cause broker IT 'gate-down link-down missing-prekey' 'Address already in use|cannot bind'
problem broker warning 'the gate of IT is not up'
kill $other; wait $other 2>/dev/null; other=''
is_up() { [ "$(gate IT "['state']")" = up ]; }
await is_up || fail "the gate does not come back"
no_problem broker 'the gate of IT'

# --- a member without gate
start_on nodes FR || exit 1
cause FR FR 'no-gate link-down' 'lists no gate for FR'
cause broker FR 'no-gate link-down missing-prekey' 'broker-keys --gate FR='
read -r port < <(fed_free_ports 1)
"$AUTHORITY" broker-keys --federation demo --shard 2026a --keys "$FED/broker/keys" --gate "FR=tcp://127.0.0.1:$port" --out "$FED/more.pub" >/dev/null ||
    fail "no key for the gate"
authority add-gate "$FED/more.pub"
fed_sign && install broker && install FR
await link_of FR up || fail "FR has a gate and is not linked"
for m in "${MEMBERS[@]}"; do start_on nodes "$m" || exit 1; done
for m in "${MEMBERS[@]}" FR; do await knows_prekeys "$m" || fail "$m never learned the prekeys"; done
for m in "${MEMBERS[@]}" FR; do no_cause broker "$m"; no_cause "$m" "$m"; done

# --- it has its outcome
send DE IT one
collect IT 10 --ack
await state_is DE one delivered || fail "one was not delivered"
one=$(id_of DE one)
for m in broker DE IT; do cause "$m" "$one" has-outcome 'waits for nothing'; done

# --- a broker that hangs, and a node that was put back meanwhile
fed_stop IT
kill -STOP "$(broker_pid)"
start_on nodes IT || exit 1
cause IT IT link-down 'no link to the broker'
problem IT warning 'no link to the broker: submissions wait here'
fed_stop IT
"$NODE" restore --config "$FED/IT/tmx-node.conf" >/dev/null || fail "IT was not put back"
start_on nodes IT || exit 1
cause IT IT 'rebuilding link-down' 'it goes on by itself'
problem IT warning 'put back to an earlier state and reads the log again'
kill -CONT "$(broker_pid)"
for m in "${MEMBERS[@]}" FR; do no_cause broker "$m"; no_cause "$m" "$m"; done

# --- a member was away while the authority changed its keys, and for more directories than are brought to it
fed_stop CH
"$AUTHORITY" init --federation demo --keys 3 --threshold 2 "$FED/later" >/dev/null || fail "no new authority"
authority authority "$FED/later/authority.pub"
fed_sign --key "$FED/later/authority-1.key" --key "$FED/later/authority-2.key" || fail "not signed by both"
install broker
cp "$FED/directory.tmx" "$root/change.tmx"
for ((i = 0; i < 17; i++)); do
    authority renew
    "$AUTHORITY" sign --dir "$FED/authority" --key "$FED/later/authority-1.key" --key "$FED/later/authority-2.key" --out "$FED/directory.tmx" >/dev/null &&
        install broker || fail "directory $i was not signed"
done
start_on nodes CH || exit 1
cause CH CH 'directory-behind' 'directory 3 is in force here'
problem CH critical 'a later directory is in force'
cp "$root/change.tmx" "$FED/directory.tmx" && install CH
await serial_is CH "$(look broker 'd["directory"]["serial"]')" || fail "CH does not get the rest: $(look CH 'd["directory"]')"
no_cause CH CH

# --- a queue that is full at the broker; what it had granted before ends with it
fed_stop IT
send DE IT two three four
await is broker "next(x['queued'] for x in d['destinations'] if x['member'] == 'IT')" 3 || fail "not accepted"
fed_stop broker
start_on broker broker || exit 1
for m in CH DE FR; do no_cause "$m" "$m"; done
send DE IT five
cause DE IT no-credit 'granted up to [0-9]*, and takes it back'
cause DE "$(id_of DE five)" 'no-credit under-way' 'the queue of IT at the broker is full'
fed_stop DE
start_on nodes DE || exit 1
send DE IT six
await is DE "next(x['queued'] for x in d['destinations'] if x['member'] == 'IT')" 1 || fail "DE signs what nothing is granted for"
cause DE IT no-credit 'the queue of IT at the broker is full'
problem DE warning 'IT: [0-9] have not arrived for longer than 1 s'
problem broker warning 'IT: 3 wait longer than 1 s'

# --- the broker's clock jumps, and is set right
clock_of broker 3600
cause broker DE clock 'set the clock right'
problem broker critical 'the clock jumped or disagrees with the members: admission and expiry have stopped'
checks broker 2 'TMX CLOCK CRITICAL - it jumped' clock
clock_of broker
no_cause broker DE
checks broker 0 'TMX CLOCK OK' clock

# --- what ends soon; broker and nodes go on together, and time with them
passes() { clock_of broker "$1" "$1" && clock_of nodes "$1" "$1"; }
renew() {
    authority renew
    "$AUTHORITY" sign --valid-days "$1" --dir "$FED/authority" --key "$FED/later/authority-1.key" --key "$FED/later/authority-2.key" \
        --out "$FED/directory.tmx" >/dev/null && install broker || fail "no directory for $1 days"
}
renew 20
problem broker warning 'the directory expires within 30 days'
checks broker 1 'TMX DIRECTORY WARNING - serial .* expires .* UTC, in 19 d' directory
checks broker 1 'TMX KEYS WARNING - prekeys of .*; directory: 19 d' keys
renew 5
problem broker critical 'the directory expires within 7 days'
checks broker 2 'TMX DIRECTORY CRITICAL - serial .* expires .* UTC, in 4 d' directory
renew 365

# --- the spool fills at a pace
for n in large larger; do { echo payload; head -c 300000 /dev/urandom; } >"$root/out/$n"; done
send DE CH large larger
await is broker "next(x['arrived'] for x in d['destinations'] if x['member'] == 'CH')" 2 || fail "they did not arrive"
passes 70
problem broker warning 'the spool is full in .* at the pace of the last 15 minutes'
checks broker 1 'TMX DISK WARNING - .* full in' disk

# --- two of three witnesses are away, and time goes by
fed_stop CH
send DE FR seven
uncosigned() { is broker 'd["log"]["cosigned"]["size"] < d["log"]["size"]' True; }
await uncosigned || fail "the head is cosigned by one of three"
passes 800
problem broker warning 'the head of the log has not been cosigned by the quorum of witnesses for over 10 minutes'
checks broker 1 'TMX COSIGNED WARNING - by [23] of 3 witnesses [0-9]* min ago, [0-9]* entries behind' cosigned
passes 4800
checks broker 2 'TMX COSIGNED CRITICAL' cosigned

# --- their prekeys end
passes $((28 * 86400))
problem broker warning 'IT: its prekeys end within 3 days: its node has not published new ones'
checks broker 1 'TMX KEYS WARNING - prekeys of (CH|IT): ' keys
passes $((31 * 86400))
problem broker warning 'IT: its prekeys end already'
checks broker 2 'TMX KEYS CRITICAL - prekeys of (CH|IT): is over' keys

# --- the directory ends, and a new one is signed as it is told
passes $((366 * 86400))
cause broker DE 'directory-expired*' 'renew, then sign'
problem broker critical 'the directory has expired, nothing new is taken'
say "$count faults told as what they are"
