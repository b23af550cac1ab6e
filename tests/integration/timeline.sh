#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tmxctl message: the signed timeline at the sender, the recipient and the broker, verified by tmxctl, and which one it replaces (ENV-7);
# and a daemon whose answer has one byte bent is found out. tmxctl trace: what happens, as it happens, filtered. tmxctl ping: a probe there and back. EVI-4, EVI-5, NODE-14
# usage: timeline.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
here=$(cd "$(dirname "$0")" && pwd)
followers=()
world_end() { kill -KILL "${followers[@]}" 2>/dev/null; }
id_of() { fed_tmx "$1" --json message "$2" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }
# shows NAME MESSAGE PATTERN…: its timeline, verified, with a line like each
shows() {
    local name=$1 id=$2 p
    shift 2
    fed_ctl "$name" message "$id" >"$root/screen" || fail "the timeline at $name does not verify: $(cat "$root/screen")"
    for p in "$@"; do
        grep -qE "^✓ .*$p" "$root/screen" || fail "at $name no line says $p: $(cat "$root/screen")"
    done
    grep -q '✗' "$root/screen" && fail "at $name a line does not verify: $(cat "$root/screen")"
    grep -q '^verified: ' "$root/screen" || fail "$name does not say that it verified"
}

world_start
send DE IT taken
collect IT 5 --ack
await state_is DE taken delivered || fail "no outcome of what was taken"
id=$(id_of DE taken)
for m in DE IT broker; do
    shows $m "$id" 'accepted, signed by DE' 'arrived for IT, signed by IT' 'delivered for IT, signed by IT'
done
fed_ctl broker --json message "$id" | python3 -c 'import json, sys
d = json.load(sys.stdin)
sys.exit([(x["what"], x["verified"]) for x in d["timeline"]] != [("accepted", True), ("arrived", True), ("delivered", True)] or not d["proof"]["verified"])' ||
    fail "the timeline as JSON is another"

# --- followed as it happens: all of it, and only what is wanted
follow() { (exec "$CTL" --socket "$FED/$1/run/control" "${@:3}") >"$root/$2" 2>&1 & followers+=($!); }
lines() { [ "$(wc -l <"$root/$1")" -ge "$2" ]; }
follow broker all trace 0
await lines all 5 || fail "the log is not followed: $(cat "$root/all")"
from=$(look broker 'd["log"]["size"]')
follow broker delivered trace --outcome delivered --member IT --type CD974C "$from"
follow broker arrived --json trace --outcome arrived --count 1 "$from"
follow broker others trace --member CH
follow DE node trace 0
kill -0 "${followers[@]}" || fail "one does not follow: $(cat "$root/arrived")"
send DE IT followed
collect IT 5 --ack
id=$(id_of DE followed)
await lines delivered 1 && await lines node 10 && await lines all 8 || fail "it is not followed: $(cat "$root/delivered" "$root/node")"
grep -q "delivered   $id CD974C DE -> IT" "$root/delivered" && [ "$(wc -l <"$root/delivered")" = 1 ] || fail "the filter lets through: $(cat "$root/delivered")"
grep -q "submitted   $id CD974C DE" "$root/node" && grep -q "arrived     $id CD974C DE -> IT" "$root/node" || fail "the node's events: $(cat "$root/node")"
grep -q "accepted    $id CD974C DE -> IT" "$root/all" || fail "the entries: $(cat "$root/all")"
[ -s "$root/others" ] && fail "nothing was for CH: $(cat "$root/others")"
wait "${followers[2]}" || fail "--count does not end it: $(cat "$root/arrived")"
python3 -c 'import json, sys; d = json.loads(sys.stdin.read()); sys.exit(d["id"] != sys.argv[1] or d["to"] != ["IT"])' "$id" <"$root/arrived" ||
    fail "as JSON: $(cat "$root/arrived")"
for i in 0 1 3 4; do
    kill -INT "${followers[$i]}"
    wait "${followers[$i]}" || fail "an interrupt does not end it well"
done

# --- a probe goes there and back without an application, and each hop is told; what is sent to nobody is refused. NODE-14
fed_ctl DE ping IT >"$root/screen" || fail "the probe was not answered: $(cat "$root/screen")"
for p in 'accepted, signed by DE' 'arrived for IT, signed by IT' 'delivered for IT, signed by IT'; do
    grep -qE "^✓ .*$p" "$root/screen" || fail "the probe shows no $p: $(cat "$root/screen")"
done
[ "$(grep -c ' ms  ' "$root/screen")" = 5 ] || fail "not every hop is told: $(cat "$root/screen")"
collect IT 1
[ "$(copies IT followed)" = 1 ] && [ "$(find "$root/in/IT" -type f | wc -l)" = 2 ] || fail "an application got the probe"
fed_ctl DE ping XX >"$root/screen" 2>&1
[ $? -eq 1 ] && grep -q unknown-recipient "$root/screen" || fail "a probe to nobody: $(cat "$root/screen")"
sed -n 's/^ *\([0-9-]* ms  .*\)/timeline: ping: \1/p' <(fed_ctl DE ping IT)

# On a schedule: the line of the unit, as systemd would run it.
ln -s "$CTL" "$FED_SOCKETS/tmxctl"
ln -s "$FED/DE/run" "$FED_SOCKETS/run"
line=$(sed -n -e 's/\$\$/$/g' -e "s,@bindir@,$FED_SOCKETS,g" -e "s,/run/tmx-node/%i,$FED_SOCKETS/run,g" -e 's/^ExecStart=//p' \
    "$here/../../deploy/systemd/tmx-ping@.service.in")
unit() { PING_MEMBERS=$1 bash -c "$line" >"$root/screen" 2>&1; }
unit 'IT IT' || fail "the unit of the schedule: $(cat "$root/screen")"
[ "$(grep -c 'delivered for IT, signed by IT' "$root/screen")" = 2 ] || fail "the unit probes not all it is told: $(cat "$root/screen")"
! unit 'IT XX' || fail "the unit does not fail when a member does not answer"

# --- sent again after its outcome: every side shows what it replaces
fed_tmx DE send --to IT --type CD974C --replaces "$id" --reference again "$root/out/followed" >"$root/said" 2>&1 || fail "it is not sent again: $(cat "$root/said")"
fed_tmx DE send --to IT --type CD974C --replaces "$(id_of DE again)" "$root/out/followed" >"$root/said" 2>&1 && fail "what is open was replaced"
grep -q '(replaces-open)' "$root/said" || fail "what is open: $(cat "$root/said")"
collect IT 5 --ack
await state_is DE again delivered || fail "no outcome of what was sent again"
for m in DE IT broker; do
    fed_ctl $m message "$(id_of DE again)" | grep "^replaces   $id\$" >"$root/said" || fail "$m does not show what it replaces"
done

# --- other keys than those of the authority prove nothing
"$AUTHORITY" init --federation demo --keys 3 --threshold 2 "$root/strangers" >/dev/null
fed_ctl broker --authority "$root/strangers/authority.pub" message "$id" >"$root/screen"
[ $? -eq 2 ] && grep -q 'NOT VERIFIED' "$root/screen" || fail "it verifies under the keys of another authority: $(cat "$root/screen")"

# --- what is not in the log yet has no timeline, and that is no fault
fed_stop broker
send DE IT waiting
fed_ctl DE message "$(id_of DE waiting)" >"$root/screen" || fail "a message without entries is a fault: $(cat "$root/screen")"
grep -q '^no timeline: ' "$root/screen" || fail "it does not say that there is none: $(cat "$root/screen")"
fed_start_broker || exit 1
await state_is DE waiting arrived || fail "what had waited does not arrive"

# --- a daemon that lies, about what leads to a head of the broker, and at the node to one that both witnesses have cosigned
led() { is DE 'd["log"]["cosigned"]["size"] == d["log"]["size"] and d["log"]["cosigned"]["quorum"] and not d["log"]["cosigned"]["upgrading"]' True; }
await led || fail "DE does not lead its evidence to a cosigned head: $(look DE 'd["log"]')"
for m in broker DE; do
    /usr/bin/python3 -B "$here/bend_answers.py" "$CTL" "$FED/$m/run/control" "$id" "$(id_of DE again)" "$FED/authority.pub" >"$root/said" 2>&1 ||
        fail "a bent answer of $m: $(tail -n 5 "$root/said")"
    say "$m: $(cat "$root/said")"
done
