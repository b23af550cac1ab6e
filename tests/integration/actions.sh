#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Operators at work, typing what an operator types: a list of them that the installation signs, dry runs and what they say to do,
# pause and resume, hold and release, drain and admit, retry, disconnect, reload; what destroys by two of them; and every refusal.
# The log, audited and folded, has all of it, and no names. OPS-1 … OPS-9
# usage: actions.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
# shellcheck source=tests/integration/causes.sh
. "$(dirname "$0")/causes.sh"
cd "$root" || exit 1

# --- keys, a list, its signature
world_made() {
    mkdir op
    fed_ctl broker operators key tmx.demo/broker op/installation.key >op/installation.pub || fail "no key of the installation"
    for o in alice bob carol; do
        fed_ctl broker operators key $o op/$o.key --installation tmx.demo/broker >op/$o.pub || fail "no key of $o"
    done
    [ "$(stat -c %a op/alice.key)" = 400 ] || fail "others may read the key"
    {
        echo tmx-operators@v1
        echo installation tmx.demo/broker
        echo "operator $(<op/alice.pub) all"
        echo "operator $(<op/bob.pub) all"
        echo "operator $(<op/carol.pub) pause,resume,release"
    } >op/operators
    fed_ctl broker operators sign op/operators op/installation.key >/dev/null || fail "the list is not signed"
}
ctl() { TMX_OPERATOR_KEY=$root/op/${OPERATOR:-alice}.key fed_ctl broker "$@"; }
does() { ctl "$@" --reason 'a test' --yes >"$root/said" 2>&1 || fail "$*: $(cat "$root/said")"; }
refused() {     # refused STATUS REASON COMMAND…
    local status=$1 reason=$2 got=0
    shift 2
    ctl "$@" >"$root/said" 2>&1 || got=$?
    [ $got = "$status" ] || fail "$* ended with $got, not $status: $(cat "$root/said")"
    grep -qE -e "$reason" "$root/said" || fail "$* does not say '$reason': $(cat "$root/said")"
}
says() { grep -qE -e "$1" "$root/said" || fail "it does not say '$1': $(cat "$root/said")"; }
has_problem() { grep -qE -e "$1" <<<"$(look broker '" ".join(p["text"] + ": " + p.get("see", "") for p in d["problems"])')"; }
queued() { is broker '[x["queued"] for x in d["destinations"] if x["member"] == "IT"][0]' "$1"; }
id_of() { fed_tmx DE --json message "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }
size() { look broker 'd["log"]["size"]'; }
operator_entries() { verify; awk '$1 == "operator" { print $2 }' "$root/verdict"; }
world_start

# --- without a list: nothing but looking
before=$(size)
refused 1 'no operators' operators
refused 1 'no-operators' pause IT --reason x --yes
ctl pause IT >"$root/said" || fail "a dry run is refused"
says "tmxctl --socket .*pause IT --reason '...' --yes"
[ "$(size)" = "$before" ] || fail "something was logged"
FED_BROKER_CONF="operators = $root/op/operators
operators_key = $(<op/installation.pub)"
fed_stop broker && fed_broker_conf 2026a && fed_start_broker || fail "no start with a list"
ctl operators >"$root/said" || fail "operators: $(cat "$root/said")"
says '^alice +pause,resume,drain'
says '^carol +pause,resume,release$'

# --- pause: dry, then done; others may not
ctl pause IT --reason 'IT asked for it' >"$root/said" || fail "no dry run"
says 'pause IT would meet 0 queued'
says 'Nothing was done'
OPERATOR=carol does pause IT
cause broker IT paused '-> tmxctl resume IT$'
has_problem "deliveries to IT are paused \(carol: a test\): tmxctl resume IT" || fail "status does not say it: $(look broker 'd["problems"]')"
ctl status >"$root/said"; [ $? = 1 ] || fail "a paused destination is no warning"
send DE IT one two three
await queued 3 || fail "not queued: $(look broker 'd["destinations"]')"
collect IT 2
[ "$(copies IT one)" = 0 ] || fail "it came in spite of the pause"
refused 1 'so already.*nothing' pause IT --reason x --yes
OPERATOR=carol refused 1 'no right.*forbidden' drain --reason x --yes
refused 64 'reason TEXT is missing' pause IT --yes
refused 1 'no such member' pause FR --reason x --yes

# --- hold one, by its id; the others go
one=$(id_of one)
ctl hold "$one" >"$root/said" || fail "no dry run"
says 'hold would be about 1 delivery'
says "$one"
says -- '--expect 1$'
refused 1 'target-changed' hold "$one" --reason x --yes --expect 2
does hold "$one"
refused 1 'no delivery to hold' hold "$one" --reason x --yes
does resume IT
cause broker "$one" held "-> tmxctl release $one --to IT$"
collect IT 20 --ack
[ "$(copies IT two) $(copies IT three) $(copies IT one)" = '1 1 0' ] || fail "not two and three: $(ls "$root/in/IT")"
has_problem 'deliveries to IT are held: 1: tmxctl release --to IT' || fail "status does not say it"
refused 1 'no delivery to release' release "$(id_of two)" --reason x --yes
ctl release --to IT >"$root/said" || fail "no dry run"
says 'release would be about 1 delivery'
OPERATOR=carol does release --to IT --expect 1
collect IT 20 --ack
[ "$(copies IT one)" = 1 ] || fail "what was released did not come"

# --- drain: nothing new; admit
does drain
cause broker DE draining '-> tmxctl admit$'
problem broker warning 'admission is stopped \(alice: a test\)'
send DE IT four
await is broker 'd["counters"]["deferred"] > 0' True || fail "nothing was put off: nothing"
cause DE IT deferred 'stopped admission for a while .draining'
queued 0 || fail "it was taken all the same"
does admit
collect IT 30 --ack
[ "$(copies IT four)" = 1 ] || fail "what was put off did not come"

# --- disconnect, reload
does disconnect IT
grep -q 'event=link.disconnected member=IT' "$FED/broker/log" || fail "the session goes on"
await is broker '[x["link"] for x in d["destinations"] if x["member"] == "IT"][0]' up || fail "IT does not come back"
does reload
await grep -q 'event=broker.reloaded' "$FED/broker/log" || fail "nothing was reloaded"

# --- by two: expire, before arrival only
does pause IT
send DE IT five six seven
await queued 3 || fail "not queued"
refused 64 'proposed' expire --to IT --reason x --yes
printf '%s\n' "$(id_of five)" "$(id_of six)" >ids
ctl propose expire - --reason 'sent twice' --yes <ids >"$root/said" || fail "no proposal: $(cat "$root/said")"
n=$(ctl --json proposals | python3 -c 'import json, sys; print(json.load(sys.stdin)["proposals"][0]["index"])')
ctl proposals >"$root/said" && says "^ +$n  *expire +2 +alice .*sent twice"
has_problem 'alice proposes to expire 2 deliveries \(sent twice\): tmxctl proposals' || fail "status does not say it"
ctl approve "$n" >"$root/said" || fail "no dry run"
says 'alice proposes to expire 2 deliveries: sent twice'
refused 1 'another operator has to.*same-operator' approve "$n" --reason x --yes
OPERATOR=carol refused 1 'forbidden' approve "$n" --reason x --yes
fed_stop broker KILL && fed_start_broker || fail "no start after a crash"
OPERATOR=bob does approve "$n" --expect 2
OPERATOR=bob refused 1 'no-proposal' approve "$n" --reason x --yes
await state_is DE five exception || fail "the sender does not know it"
await state_is DE six exception || fail "the sender does not know it"
ctl propose expire --to IT --older-than 1ms --type CD974C --reason z --yes >"$root/said" || fail "by filter: $(cat "$root/said")"
does resume IT
collect IT 20
await state_is DE seven arrived || fail "it did not arrive"
n=$(ctl --json proposals | python3 -c 'import json, sys; print(json.load(sys.stdin)["proposals"][0]["index"])')
OPERATOR=bob refused 1 "$(id_of seven) to IT: .*target-changed" approve "$n" --reason x --yes
does withdraw "$n"
[ "$(copies IT five) $(copies IT six)" = '0 0' ] || fail "what was ended came"

# --- more than one request holds: each is done as a whole
for n in $(seq 140); do printf 'payload many %s\n' "$n" >"$root/out/many$n"; done
does pause IT
fed_tmx DE send --to IT --type CD974C "$root"/out/many* >/dev/null || fail "they are not sent"
await queued 140 || fail "not queued: $(look broker 'd["destinations"]')"
refused 1 'no delivery is meant' retry --to IT --reason x --yes      # by a filter: what is in flight, and nothing is
ctl hold --to IT >"$root/said" || fail "no dry run"
says 'hold would be about 140 deliveries, in 2 requests'
does hold --to IT --expect 140
[ "$(grep -c '^done: hold' said)" = 2 ] || fail "not two requests: $(cat "$root/said")"
does release --to IT
does resume IT
collect IT 30 --ack
while [ "$(find "$root/in/IT" -type f -exec grep -l '^payload many' {} + | wc -l)" -lt 140 ]; do
    before=$(find "$root/in/IT" -type f | wc -l)
    collect IT 30 --ack
    [ "$(find "$root/in/IT" -type f | wc -l)" -gt "$before" ] || fail "no more than $before came"
done

# --- requeue: the field's word for it
fed_stop IT KILL
send DE IT late
await queued 1 || fail "not queued: $(look broker 'd["destinations"]')"
ctl requeue IT >"$root/said" || fail "no dry run"
says 'retry IT would meet 1 queued'
fed_start_node IT || fail "IT does not start"
collect IT 30 --ack
[ "$(copies IT late)" = 1 ] || fail "it did not come"

# --- the broker's file is what the installation signed, and nothing else
sed -i "s/^operator carol/operator dora/" op/operators
fed_stop broker
"$BROKER" --config "$FED/broker/tmx-broker.conf" >"$root/said" 2>&1
[ $? = 78 ] || fail "it starts with a list that nobody signed: $(cat "$root/said")"
says "not signed by the installation's key tmx.demo/broker"
sed -i "s/^operator dora/operator carol/" op/operators
fed_start_broker || fail "no start"

# --- what is kept: who and why here, digests in the log, and the log gives the state
ctl operations >"$root/said" || fail "operations"
says ' bob +approve '
says 'sent twice'
verify
grep -qE '^ +operator +29[0-9]$' "$root/verdict" || fail "not every action is in the log: $(cat "$root/verdict")"
grep -rqE 'alice|bob|carol|sent twice|a test' "$root/export" && fail "the log has names in it"
"$AUDIT" fold "$root/folded" --authority "$FED/authority.pub" --socket "$FED/broker/run/control" >"$root/verdict" 2>&1 || fail "fold: $(cat "$root/verdict")"
say "$(grep -E '^(stops|holds|proposals)' "$root/verdict" | tr -s ' \n' ' ')by the log; $(grep -c 'event=operator.done' "$FED/broker/log") actions"
