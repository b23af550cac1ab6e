#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The broker's disk is lost with messages on it: delivered, arrived, queued and just submitted ones. A new shard begins, the
# nodes submit again what has no outcome, nothing is lost, nothing is handed over twice, and the log verifies. LOG-4, KEY-1
# usage: lost-disk.sh SOURCE BUILD
set -uo pipefail
FED_TOP=$1 FED_BUILD=$2
export PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH
# shellcheck source=deploy/federation.sh
. "$FED_TOP/deploy/federation.sh"
root=$(mktemp -d)
FED_MEMBERS=()
trap 'fed_stop_all; rm -rf "$root"' EXIT
fail() { echo "lost-disk: $*"; tail -n 8 "$FED"/*/log; exit 1; }
mkdir "$root/in" "$root/out"
fed_create "$root/fed" 2026a DE IT || exit 1
fed_start_broker && fed_start_node DE && fed_start_node IT || exit 1
send() {
    for n in "$@"; do
        { echo "payload"; head -c 3000 /dev/urandom; } >"$root/out/$n"   # what begins with < would be read as XML
        fed_tmx DE send --to IT --type CD974C "$root/out/$n" >/dev/null || fail "$n could not be sent"
    done
}
# states WANTED: waits until every message of the list is in that state
await() {
    for ((i = 0; i < 200; i++)); do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}
all_in() { [ "$(fed_tmx DE --json list | grep -cE "\"state\": ?\"$1\"")" -ge "$2" ]; }

send a b
for ((i = 0; i < 10; i++)); do
    fed_tmx IT receive --wait 3 --max 1 --to "$root/in" --ack >/dev/null
    [ -n "$(ls "$root/in")" ] && break
done
await all_in arrived 1 || fail "the second message did not arrive"
fed_stop IT
send c d
await all_in accepted 2 || fail "messages for an absent recipient were not accepted"
await test -s "$FED/broker/marker.checkpoint" || fail "the broker kept no checkpoint beside its marker"

fed_stop broker KILL
rm -rf "$FED/broker/spool"
timeout 20 "$BROKER" run --config "$FED/broker/tmx-broker.conf" 2>"$root/refused"
[ $? -eq 74 ] || fail "a broker without its spool started"
grep -q restore "$root/refused" || fail "the error does not name restore"
send e
"$BROKER" restore --config "$FED/broker/tmx-broker.conf" >/dev/null 2>"$root/refused" && fail "a shard was begun twice"
grep -q "the one that is configured" "$root/refused" || fail "it does not say that the shard is the lost one: $(cat "$root/refused")"
mv "$FED/broker/keys/log.key" "$FED/broker/keys/log-2026a.key"
"$AUTHORITY" broker-keys --federation demo --shard 2026b --keys "$FED/broker/keys" --out "$FED/broker/broker.pub" >/dev/null &&
    "$AUTHORITY" add-log "$FED/broker/broker.pub" --dir "$FED/authority" >/dev/null && fed_sign || fail "no key for the new shard"
fed_broker_conf 2026b
"$BROKER" restore --config "$FED/broker/tmx-broker.conf" >/dev/null || fail "restore failed"
fed_start_broker && fed_start_node IT || exit 1
for ((i = 0; i < 30 && $(find "$root/in" -type f | wc -l) < 5; i++)); do
    fed_tmx IT receive --wait 3 --to "$root/in" --ack >/dev/null
done
for n in a b c d e; do
    copies=$(find "$root/in" -type f -exec cmp -s {} "$root/out/$n" \; -print | wc -l)
    [ "$copies" = 1 ] || fail "$n came out $copies times"
done
await all_in delivered 5 || fail "the sender does not see five deliveries: $(fed_tmx DE list)"
"$AUDIT" export --socket "$FED/broker/run/control" "$root/export" >/dev/null &&
    "$AUDIT" verify "$root/export" --authority "$FED/authority.pub" >"$root/verdict" || { cat "$root/verdict"; fail "the new shard does not verify"; }
"$AUDIT" fold "$root/export" --socket "$FED/broker/run/control" --authority "$FED/authority.pub" >"$root/verdict" ||
    { cat "$root/verdict"; fail "the broker's state is not what the new shard gives"; }
echo "five messages, one lost disk, nothing lost"
