#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A new year: the log goes on in a new shard, by plan, with messages in every state. Nothing is lost or handed over twice; both
# shards verify, the new one begins with the last cosigned head of the old one, and the old one stays readable for auditors.
# The command is cut off between its steps, and goes on. LOG-4, LOG-6, WIT-7
# usage: new-shard.sh SOURCE BUILD
set -uo pipefail
FED_TOP=$1 FED_BUILD=$2
export PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH
# shellcheck source=deploy/federation.sh
. "$FED_TOP/deploy/federation.sh"
root=$(mktemp -d)
FED_MEMBERS=()
serving=
stop_serving() { [ -z "$serving" ] || { kill "$serving"; wait "$serving"; serving=; }; }
trap 'stop_serving 2>/dev/null; fed_stop_all; rm -rf "$root"' EXIT
fail() { echo "new-shard: $*"; tail -n 8 "$FED"/*/log; exit 1; }
mkdir "$root/in" "$root/out" "$root/ch"
fed_create "$root/fed" 2026a DE IT CH || exit 1
conf=$FED/broker/tmx-broker.conf spool=$FED/broker/spool
fed_start_broker && fed_start_node DE && fed_start_node IT || exit 1
send() {
    local to=$1
    shift
    for n in "$@"; do
        { echo "payload"; head -c 3000 /dev/urandom; } >"$root/out/$n"
        fed_tmx DE send --to "$to" --type CD974C "$root/out/$n" >/dev/null || fail "$n could not be sent"
    done
}
await() {
    for ((i = 0; i < 200; i++)); do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}
all_in() { [ "$(fed_tmx DE --json list | grep -cE "\"state\": ?\"$1\"")" -ge "$2" ]; }
audit() { "$AUDIT" "$@" --authority "$FED/authority.pub"; }
field() { python3 -c "import json,sys; j=json.load(sys.stdin)
for k in sys.argv[1:]: j=j[k]
print(j)" "$@"; }
whole_log_cosigned() {
    fed_ctl broker --json status >"$root/status"
    [ "$(field log size <"$root/status")" = "$(field log cosigned size <"$root/status")" ]
}
new_shard() { "$BROKER" new-shard --config "$conf" "$@" >"$root/said" 2>&1; }

# In 2026a: a delivered, b arrived, c and d queued for recipients that are away; later, with the broker away, e is submitted.
send IT a b
for ((i = 0; i < 10; i++)); do
    fed_tmx IT receive --wait 3 --max 1 --to "$root/in" --ack >/dev/null 2>&1
    [ -n "$(ls "$root/in")" ] && break
done
await all_in delivered 1 && await all_in arrived 1 || fail "the first messages did not get so far"
id=$(fed_tmx DE --json list | sed -n '/"state":"delivered"/s/^{"id":"\([^"]*\)".*/\1/p')
await whole_log_cosigned || fail "no quorum cosigned the log: $(cat "$root/status")"   # this far, and then no further
fed_stop IT
send IT c
send CH d
await all_in accepted 2 || fail "messages for an absent recipient were not accepted"

# The plan: a key for the new shard is in the directory before.
cp "$FED/broker/keys/log.key" "$root/log-2026a.key"
new_shard && fail "a shard followed itself"
grep -q "owned by another process" "$root/said" || fail "a running broker's spool was taken: $(cat "$root/said")"
fed_stop broker
new_shard && fail "a shard followed itself"
grep -q "the one that is configured" "$root/said" || fail "it does not say that the shard is the old one: $(cat "$root/said")"
fed_broker_conf 2027a
new_shard --uncosigned && fail "a shard began without a key"
grep -q "does not list" "$root/said" || fail "it does not say that the directory lacks the key: $(cat "$root/said")"
mv "$FED/broker/keys/log.key" "$FED/broker/keys/log-2026a.key"
"$AUTHORITY" broker-keys --federation demo --shard 2027a --keys "$FED/broker/keys" --out "$FED/broker/broker.pub" >/dev/null &&
    "$AUTHORITY" add-log "$FED/broker/broker.pub" --dir "$FED/authority" >/dev/null && fed_sign || fail "no key for the new shard"
mv "$FED/broker/keys/log.key" "$FED/broker/keys/log-2027a.key"

# With all nodes away there is no quorum: the last head is not cosigned.
cp "$FED/broker/keys/log-2026a.key" "$FED/broker/keys/log.key"
fed_broker_conf 2026a
fed_stop DE
fed_start_broker || exit 1
fed_stop broker
use_2027a() { cp -f "$FED/broker/keys/log-2027a.key" "$FED/broker/keys/log.key"; fed_broker_conf 2027a; }
use_2027a
new_shard && fail "a head that no quorum has cosigned was left as the last one"
grep -q "not cosigned by a quorum" "$root/said" || fail "it does not say that the head is not cosigned: $(cat "$root/said")"
[ -d "$spool" ] || fail "a refusal moved the spool"
cp -f "$FED/broker/keys/log-2026a.key" "$FED/broker/keys/log.key"
fed_broker_conf 2026a
fed_start_broker && fed_start_node DE && fed_start_node IT || exit 1
await whole_log_cosigned || fail "the whole log was not cosigned: $(cat "$root/status")"
"$AUDIT" export --socket "$FED/broker/run/control" "$root/export-2026a" >/dev/null || fail "the old shard cannot be exported"
fed_tmx DE evidence "$id" --out "$root/evidence" >/dev/null || fail "no evidence of message $id"
fed_stop IT
fed_stop DE
fed_stop broker
use_2027a

# What a run left that was cut off while it made the new spool is made anew.
cp -r "$spool" "$spool.next"
cp "$FED/broker/marker" "$root/marker-before"
new_shard || fail "new-shard failed: $(cat "$root/said")"
grep -q "it follows tmx.demo/log/2026a" "$root/said" || fail "it does not say what it follows: $(cat "$root/said")"
[ -d "$spool.2026a" ] || fail "the old spool is not kept"
# Cut off after the old spool was put aside: a start says what to do, and the same command goes on; but not with one that
# was begun before the old log's last head.
cp "$FED/broker/marker" "$root/marker-after"
cp "$root/marker-before" "$FED/broker/marker"
mv "$spool" "$spool.next"
timeout 20 "$BROKER" run --config "$conf" 2>"$root/refused" && fail "a broker started between two spools"
grep -q "go on with: tmx-broker new-shard" "$root/refused" || fail "the error does not say how to go on: $(cat "$root/refused")"
cp "$FED/broker/marker.checkpoint" "$root/checkpoint"
sed -i '2s/$/0/' "$FED/broker/marker.checkpoint"
new_shard && fail "a spool that was begun at another time was put in place"
grep -q "begun at another time" "$root/said" || fail "it does not say that the new spool is not what follows: $(cat "$root/said")"
cp "$root/checkpoint" "$FED/broker/marker.checkpoint"
new_shard || fail "new-shard did not go on: $(cat "$root/said")"
[ ! -e "$spool.next" ] && cmp -s "$FED/broker/marker" "$root/marker-after" || fail "it did not come to the same end"
new_shard && fail "a shard that was just begun was replaced"
# Cut off before the marker was written: a start is all it needs.
cp "$root/marker-before" "$FED/broker/marker"

# Nodes go on by themselves.
fed_start_node DE && send IT e
fed_start_broker && fed_start_node IT && fed_start_node CH || exit 1
for ((i = 0; i < 30 && $(find "$root/in" "$root/ch" -type f | wc -l) < 5; i++)); do
    fed_tmx IT receive --wait 1 --to "$root/in" --ack >/dev/null 2>&1
    fed_tmx CH receive --wait 1 --to "$root/ch" --ack >/dev/null 2>&1
done
for n in a b c d e; do
    copies=$(find "$root/in" "$root/ch" -type f -exec cmp -s {} "$root/out/$n" \; -print | wc -l)
    [ "$copies" = 1 ] || fail "$n came out $copies times"
done
await all_in delivered 5 || fail "the sender does not see five deliveries: $(fed_tmx DE list)"
await whole_log_cosigned || fail "the new shard is not cosigned"
"$AUDIT" export --socket "$FED/broker/run/control" "$root/export-2027a" >/dev/null || fail "the new shard cannot be exported"
for shard in 2026a 2027a; do
    audit verify "$root/export-$shard" >"$root/verdict" || { cat "$root/verdict"; fail "$shard does not verify"; }
done
grep -q "^follows .*tmx.demo/log/2026a, [0-9]* entries, cosigned by 2 of 3$" "$root/verdict" || { cat "$root/verdict"; fail "verify does not say what the new shard follows"; }
audit verify --json "$root/export-2027a" >"$root/verdict"
[ "$(field follows size <"$root/verdict")" = "$(sed -n 2p "$root/export-2026a/checkpoint")" ] &&
    [ "$(field follows root <"$root/verdict")" = "$(sed -n 3p "$root/export-2026a/checkpoint")" ] || fail "leaf 0 names another head than the last one"
audit compare "$root/export-2026a" "$root/export-2027a" >"$root/verdict" && grep -q "begins with the last head" "$root/verdict" ||
    { cat "$root/verdict"; fail "compare does not find that the one follows the other"; }
audit compare --json "$root/export-2027a" "$root/checkpoint" >"$root/verdict" && [ "$(field verdict <"$root/verdict")" = follows ] ||
    { cat "$root/verdict"; fail "compare does not take the old log's last checkpoint for it"; }
sed '2s/$/0/' "$root/checkpoint" >"$root/bent"
audit compare "$root/bent" "$root/export-2027a" >"$root/verdict" 2>&1 && fail "a checkpoint that the old log never signed was compared"
audit verify-evidence "$root/evidence" >"$root/verdict" || { cat "$root/verdict"; fail "evidence made in the old shard does not verify"; }

# The old log, from the folder that was kept, is what was exported before; the spool is not written.
"$BROKER" serve-log --spool "$spool.2026a" --run "$root/serve" >"$root/served" 2>&1 &
serving=$!
await test -S "$root/serve/control" || fail "serve-log does not serve: $(cat "$root/served")"
sum=$(sha256sum <"$spool.2026a/data.mdb")
"$CTL" --socket "$root/serve/control" status >"$root/status" && grep -q "^archive of demo: ok" "$root/status" || { cat "$root/status"; fail "no status of an archived log"; }
"$CTL" --socket "$root/serve/control" peers >/dev/null 2>"$root/refused" && fail "an archived log has peers"
grep -q "archived log" "$root/refused" || fail "it does not say what an archived log answers: $(cat "$root/refused")"
"$AUDIT" export --socket "$root/serve/control" "$root/again-2026a" >/dev/null || fail "the archived shard cannot be exported"
diff -r "$root/export-2026a" "$root/again-2026a" || fail "the archived shard is another log than before"
stop_serving
[ "$(sha256sum <"$spool.2026a/data.mdb")" = "$sum" ] || fail "serving wrote to the archived spool"

# A busy broker that is asked to stop leaves a head that is cosigned: the next shard may follow. WIT-7
send IT f g h i j
fed_stop broker
size=$(sed -n 's/.*event=broker.stopped .*"\([0-9]*\) leaves, .*/\1/p' "$FED/broker/log" | tail -n 1)
tail -n 1 "$FED/broker/log" | grep -q "$size leaves, $size of them cosigned" || fail "what came last is not cosigned"
"$AUTHORITY" broker-keys --federation demo --shard 2028a --keys "$FED/broker/keys-2028a" --out "$FED/broker/broker.pub" >/dev/null &&
    "$AUTHORITY" add-log "$FED/broker/broker.pub" --dir "$FED/authority" >/dev/null && fed_sign || fail "no key for the third shard"
cp -f "$FED/broker/keys-2028a/log.key" "$FED/broker/keys/log.key"
fed_broker_conf 2028a
new_shard || fail "the shard after a busy one: $(cat "$root/said")"
grep -q "it follows tmx.demo/log/2027a" "$root/said" || fail "it does not say what it follows: $(cat "$root/said")"
echo "ten messages, three shards, nothing lost"
