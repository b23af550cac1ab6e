#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The disk damages records of nodes: each starts and goes on, no other record is touched, what cannot be opened any more is fetched
# from the broker, a submission whose payload is gone ends and says why, and operators are told. NODE-16
# usage: spoilt-records.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
# shellcheck source=tests/integration/causes.sh
. "$(dirname "$0")/causes.sh"

SPOIL=$FED_BUILD/tests/integration/spoil-row
IN_CONTAINER=15 OUT_CONTAINER=9 OUT_PAYLOAD=7 META=1 LAST=41   # node/core/tables.h
spoil() { "$SPOIL" "$FED/$1/spool" "$2" ${3+"$3"}; [ $? -ne 1 ] || fail "the spool of $1 cannot be spoilt"; }
log_has() { grep -q "event=$2" "$FED/$1/log"; }
offered() { is IT 'd["inbox"]["offered"]' "$1"; }
arrived() { local n=0 name; for name in "$@"; do n=$((n + $(copies IT "$name"))); done; echo $n; }
alive() { kill -0 "$(cat "$FED/$1/pid")"; }

# In the inbox.
world_start
send DE IT one two three
await offered 3 || fail "they do not arrive"
fed_stop IT
spoil IT $IN_CONTAINER
fed_start_node IT || fail "one damaged container keeps the node from starting"
take() { collect IT 1 --ack; [ "$(arrived one two three)" -eq 3 ]; }
await take || fail "the others, or the damaged one, are not handed over"
for name in one two three; do [ "$(copies IT $name)" -eq 1 ] || fail "$name came out $(copies IT $name) times"; done
await log_has IT record.damaged || fail "the node does not say so"
await log_has IT message.recovered || fail "it was not fetched from the broker"
problem IT warning 'damaged by the disk'
is IT 'd["spool"]["damaged"]["records"]' 1 || fail "it is not counted"
cause IT IT damaged
checks IT 1 'it damaged 1 record' disk
await settled || fail "something is open"

# Before it is sealed, and after that: the broker is away.
spoilt_submission() {   # spoilt_submission TABLE CODE NAME NAME: of two, one is damaged
    local lost=$3 kept=$4
    fed_stop DE
    spoil DE "$1"
    fed_start_node DE || fail "a damaged submission keeps the node from starting"
    fed_start_broker || exit 1
    other() { collect IT 1 --ack; [ "$(arrived $lost $kept)" -eq 1 ]; }
    await other || fail "the other one does not arrive"
    has IT $lost && lost=$4 && kept=$3
    await state_is DE $lost rejected || fail "its sender is not told"
    fed_tmx DE message $lost >"$root/said" 2>&1
    grep -q "$2" "$root/said" || { cat "$root/said"; fail "the sender is not told why"; }
    cp "$root/out/$lost" "$root/out/$lost-again"
    send DE IT $lost-again
    again() { collect IT 1 --ack; has IT $lost; }
    await again || fail "sent again it does not arrive"
    [ "$(copies IT $lost)" -eq 1 ] && [ "$(copies IT $kept)" -eq 1 ] || fail "one came out twice"
    await settled || fail "something is open"
}
fed_stop broker
send DE IT six seven   # signed: the node has not noticed yet
log_has DE message.signed || fail "they are not signed"
spoilt_submission $OUT_CONTAINER container-mismatch six seven
fed_stop broker
fed_stop DE
fed_start_node DE || exit 1
send DE IT four five
is DE 'd["link"]["state"]' never || fail "DE has a link to a broker that is stopped"
spoilt_submission $OUT_PAYLOAD record-damaged four five

# A row of every table but that of the state, every fourth at a time: no two of one time tell each other.
for turn in 0 1 2 3; do
    send DE IT "a$turn"
    send IT DE "b$turn"
    await offered 1 || fail "a$turn does not arrive"
    for m in DE IT; do
        fed_stop $m
        for table in $(seq $((META + 1)) $LAST); do [ $((table % 4)) -ne $turn ] || spoil $m $table; done
        fed_start_node $m || fail "damaged rows keep $m from starting"
    done
    both() { collect IT 1 --ack; collect DE 1 --ack; has IT "a$turn" && has DE "b$turn"; }
    await both || fail "with damaged rows (tables $turn, $((turn + 4)), …) messages do not come"
    [ "$(copies IT "a$turn")" -eq 1 ] && [ "$(copies DE "b$turn")" -eq 1 ] || fail "one came out twice"
    await settled || fail "something is open after tables $turn, $((turn + 4)), …"
done
alive DE && alive IT || fail "a node has ended"
verify

# What nothing can be done without.
fed_stop IT
spoil IT $META state
timeout 20 "$NODE" --config "$FED/IT/tmx-node.conf" >"$root/said" 2>&1
code=$?
[ $code -eq 74 ] && grep -q "tmx-node restore" "$root/said" || { cat "$root/said"; fail "without its state it ends with $code"; }
say "nothing was lost, nothing came twice, and everybody was told"
