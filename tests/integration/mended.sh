#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is wrong with a configuration while messages are queued, and is mended: they go on by themselves, in every process, without
# anything being sent again or started again. A gate without its key; a gate whose key is replaced; a gate that moves.
# TRA-1, DIR-8
# usage: mended.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
# shellcheck source=tests/integration/causes.sh
. "$(dirname "$0")/causes.sh"
gate_key=
world_made() {
    gate_key=$FED/broker/keys/gate-IT.key
    mv "$gate_key" "$root/gate.key"
}
knows_prekeys() { [ "$1" = IT ] || fed_ctl "$1" --json status >/dev/null; }   # IT has no gate yet

link() { look broker "next(x['link'] for x in d['destinations'] if x['member'] == 'IT')"; }
linked() { [ "$(link)" = up ]; }
queued() { is broker "next(x['queued'] for x in d['destinations'] if x['member'] == 'IT')" "$1"; }
arrives() { collect IT 1 --ack; has IT "$1"; }
reload() { kill -HUP "$(cat "$FED/broker/pid")" || fail "the broker is not there"; }
copy_is_one() { [ "$(copies IT "$1")" -eq 1 ] || fail "$1 came out $(copies IT "$1") times"; }
serial_is() { is "$1" 'd["directory"]["serial"]' "$2"; }
# A directory with what the file of the broker's keys says, installed at the broker alone.
renew() {   # renew ENDPOINT
    "$AUTHORITY" broker-keys --federation demo --shard 2026a --keys "$FED/broker/keys" --gate "IT=$1" --gate "DE=$de" \
        --out "$FED/broker/broker.pub" >"$root/said" 2>&1 &&
        "$AUTHORITY" add-gate "$FED/broker/broker.pub" --dir "$FED/authority" >>"$root/said" 2>&1 && fed_sign &&
        fed_ctl broker directory install "$FED/directory.tmx" >>"$root/said" 2>&1 || { cat "$root/said"; fail "no new directory"; }
}
endpoint() { "$AUTHORITY" show "$FED/directory.tmx" --json | python3 -c 'import json, sys
print(next(g["endpoint"] for g in json.load(sys.stdin)["gates"] if g["member"] == sys.argv[1]))' "$1"; }

# A gate without its key: health is red and says so, what is sent to its member is queued.
world_start
problem broker critical 'IT cannot link: gate-IT.key is missing or not the key in the directory'
cause broker IT 'no-gate link-down missing-prekey' 'gate-IT.key is missing'
cause IT IT 'port-closed link-down'
send DE IT first
await queued 1 || fail "first is not queued"
reload
queued 1 || fail "first is gone"
mv "$root/gate.key" "$gate_key"
reload
await arrives first || { cat "$FED/broker/log"; fail "the key is back, but first does not arrive"; }
copy_is_one first
no_problem broker 'gate-IT.key'
for m in broker IT; do no_cause $m IT; done

# Its key is replaced: broker and gate have the new one, and the node learns it over the link that ends with it.
de=$(endpoint DE) it=$(endpoint IT)
fed_stop IT
send DE IT second
await queued 1 || fail "second is not queued"
fed_start_node IT || exit 1
await linked || fail "IT is not linked"
mv "$gate_key" "$root/old.key"
renew "$it"
await serial_is IT 2 || fail "IT does not learn of the new key"
ended() { grep -q event=gate.ended "$FED/broker/log"; }
await ended || fail "the gate with the old key stays"
when() { grep "$2" "$FED/$1/log" | tail -n 1 | cut -d' ' -f1; }
[[ $(when IT 'event=directory.installed number=2') < $(when broker event=gate.ended) ]] ||
    fail "the gate ended before its member could learn why"
await arrives second || { tail -n 5 "$FED/IT/log"; fail "with the new key second does not arrive"; }
send DE IT third
await arrives third || { cat "$FED/broker/log"; fail "with the new key third does not arrive"; }
[ "$(grep -c broker.ready "$FED/broker/log")" -eq 1 ] || fail "the broker was started again"
"$BROKER" --check --config "$FED/broker/tmx-broker.conf" >"$root/said" || { cat "$root/said"; fail "the keys do not fit the directory"; }

# It moves to another port.
read -r port < <(fed_free_ports 1)
renew "tcp://127.0.0.1:$port"
send DE IT fourth
await serial_is IT 3 || fail "IT does not learn of the new port"
await arrives fourth || { tail -n 5 "$FED/IT/log"; fail "at the new port fourth does not arrive"; }
is broker "next(g['endpoint'] for g in d['gates'] if g['member'] == 'IT')" "tcp://127.0.0.1:$port" || fail "the gate did not move"
for n in first second third fourth; do copy_is_one $n; done
await settled || fail "something is open"
verify
say "mended, and everything arrived once"
