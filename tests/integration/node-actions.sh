#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Operators of a node at work: retry, replay and ping, dry and done, by ids and by filters; whom a key is for; and who has no key: the
# group of a control socket looks, and changes nothing there, of a node or of the broker. OPS-10, OPS-11, OPS-12, OPS-13, OPS-14
# usage: node-actions.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
cd "$root" || exit 1
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
guest=4242      # somebody in the operators' group

world_made() {
    mkdir op
    fed_ctl IT operators key demo/IT op/installation.key >op/installation.pub || fail "no key of the installation"
    for o in alice paula; do
        fed_ctl IT operators key $o op/$o.key --installation demo/IT >op/$o.pub || fail "no key of $o"
    done
    grep -qx 'installation demo/IT' op/alice.key || fail "the key is for no installation"
    printf '%s\n' tmx-operators@v1 'installation demo/IT' "operator $(<op/alice.pub) all" "operator $(<op/paula.pub) ping" >op/operators
    fed_ctl IT operators sign op/operators op/installation.key >/dev/null || fail "the list is not signed"
    fed_node_conf IT "operators = $root/op/operators
operators_key = $(<op/installation.pub)"
}
ctl() { TMX_OPERATOR_KEY=$root/op/${OPERATOR:-alice}.key fed_ctl IT "$@"; }
does() { ctl "$@" --reason 'a test' --yes >"$root/said" 2>&1 || fail "$*: $(cat "$root/said")"; }
refused() {     # refused STATUS REASON COMMAND…
    local status=$1 reason=$2 got=0
    shift 2
    "$@" >"$root/said" 2>&1 || got=$?
    [ $got = "$status" ] || fail "$* ended with $got, not $status: $(cat "$root/said")"
    grep -qE -e "$reason" "$root/said" || fail "$* does not say '$reason': $(cat "$root/said")"
}
says() { grep -qE -e "$1" "$root/said" || fail "it does not say '$1': $(cat "$root/said")"; }
id_of() { fed_tmx "$1" --json message "$2" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }
world_start

# --- who has no key looks, and no more
install -m 0755 "$CTL" "$root/tmxctl"
chmod 0711 "$root" "$FED" "$FED/broker" "$FED/IT"
as_guest() {    # as_guest NAME WORD…: at that daemon
    local socket=$FED/$1/run/control
    shift
    "${as_root[@]}" setpriv --reuid $guest --regid "$(stat -c %g "$socket")" --clear-groups "$root/tmxctl" --socket "$socket" "$@"
}
install -m 0644 "$FED/directory.tmx" given
for name in broker IT; do
    refused 0 'DE' as_guest $name directory show
    refused 0 'DE|IT' as_guest $name peers
    refused 1 'you may look, and no more.*read-only' as_guest $name directory install given
done
refused 1 'read-only' as_guest broker anchor install 1 given
refused 1 'read-only' as_guest broker witness reply far 200 given
refused 1 'read-only' as_guest IT ping DE
says 'an operator with the right to it: --reason TEXT --yes'
refused 0 'serial' fed_ctl IT directory install given
is IT 'd["counters"]["submitted"]' 0 || fail "the guest's probe was sent"

# --- an operator who may ping, of the group and of nothing else
install -m 0400 op/paula.key guest.key
"${as_root[@]}" chown $guest guest.key
refused 0 'delivered for DE' as_guest IT ping DE --key "$root/guest.key" --reason 'is it there?' --yes
is IT 'd["counters"]["submitted"]' 1 || fail "no probe was sent"
OPERATOR=paula refused 1 'no right.*forbidden' ctl retry DE --reason x --yes
refused 1 'nothing was done: no probe is sent: .*\(self\)' ctl ping IT --reason x --yes

# --- whom a key is for
refused 1 'nothing was signed: it is meant for demo/FR, and demo/IT answers here' ctl --key op/installation.key --installation demo/FR reload --reason x --yes
refused 1 'is a key for demo/IT, and --installation says demo/FR' ctl --installation demo/FR reload --reason x --yes
refused 1 'for no installation in particular.*--installation NAME' ctl --key op/installation.key reload --reason x --yes
refused 1 'is no key of an operator of demo/IT' ctl --key op/installation.key --installation demo/IT reload --reason x --yes
does --installation demo/IT reload
refused 1 'drain is an action of the broker: ask that.*unknown-action' ctl drain --reason x --yes
refused 64 'an action of the broker: tmxctl --broker DIR requeue; of a node it is .retry. or .replay' "$CTL" --node "$FED/IT/run" requeue DE

# --- replay: what an application has and says nothing about
send DE IT one two
await is IT 'd["inbox"]["offered"]' 2 || fail "they do not arrive: $(look IT 'd["inbox"]')"
collect IT 20 --lease 30m
is IT 'd["inbox"]["leased"]' 2 || fail "not leased: $(look IT 'd["inbox"]')"
ctl replay --from DE >"$root/said" || fail "no dry run: $(cat "$root/said")"
says 'replay would be about 2 deliveries'
says -- '--expect 2$'
ctl replay --type CD974C --older-than 1d >"$root/said" 2>&1 && fail "something is older than a day: $(cat "$root/said")"
refused 1 'no delivery to hold' ctl hold "$(id_of DE one)"
id_of DE one | ctl replay - --reason 'it hangs' --yes >"$root/said" || fail "by its id: $(cat "$root/said")"
does replay --from DE --expect 1
is IT 'd["inbox"]["leased"], d["inbox"]["offered"]' '(0, 2)' || fail "they are not on offer: $(look IT 'd["inbox"]')"
collect IT 20 --ack
[ "$(copies IT one) $(copies IT two)" = '1 1' ] || fail "they are not there: $(ls "$root/in/IT")"
[ "$(grep -c '"redelivered": *true' "$root/in/IT.log")" = 2 ] || fail "they did not come again: $(cat "$root/in/IT.log")"
refused 1 'no delivery to replay' ctl replay "$(id_of DE one)"
grep -q 'event=message.replayed' "$FED/IT/log" || fail "the node's log does not say it"

# --- retry: what waits for the broker
refused 1 'so already.*nothing' ctl retry DE --reason x --yes
fed_stop broker KILL
send IT DE three
ctl retry DE >"$root/said" || fail "no dry run: $(cat "$root/said")"
says 'retry DE would meet'
does retry DE
three=$(id_of IT three)
does retry "$three"
does retry --to DE --type CD974C --expect 1
refused 1 'no such member' ctl retry FR --reason x --yes
fed_start_broker || fail "the broker does not start"
await state_is IT three arrived || fail "it did not come"
refused 1 'no delivery to retry' ctl retry "$three"

# --- what is kept
ctl operations >"$root/said" || fail "operations"
for line in 'alice +retry .*a test' 'alice +replay .*it hangs' 'paula +ping .*is it there'; do
    says "$line"
done
verify
say "$(grep -c 'event=operator.done' "$FED/IT/log") actions, $(grep -c 'event=operator.refused' "$FED/IT/log") refused"
