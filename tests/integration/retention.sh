#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Containers at the broker after the last outcome: kept for a time, then erased by an entry that sender and recipient keep as
# evidence; and what is kept makes room for what comes, so that a small spool takes in more than it holds. QUE-8, LOG-6
# usage: retention.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(DE IT)
FED_BROKER_CAPACITY='16 MiB'
FED_BROKER_CONF='retention = 1 s'
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
source=$1
world_start

# --- in time
send DE IT first
collect IT 5 --ack
await state_is DE first delivered || fail "no outcome of the first"
await is broker 'd["counters"]["erased"]' 1 || fail "the container was not erased after a second"
mkdir "$root/bundles"
cp "$FED/authority.pub" "$root/bundles/"
id=$(fed_tmx DE --json message first | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
has_erasure() {   # has_erasure MEMBER: its bundle says that the container was erased
    rm -f "$root/bundles/$1.evidence"
    fed_tmx "$1" evidence "$id" --out "$root/bundles/$1.evidence" >/dev/null || fail "$1 gives no evidence"
    "$AUDIT" verify-evidence "$root/bundles/$1.evidence" --authority "$FED/authority.pub" >"$root/verdict" || fail "$1: $(cat "$root/verdict")"
    grep -q '^erased  *entry' "$root/verdict"
}
for m in DE IT; do
    await has_erasure $m || fail "$m has no evidence of the erasure: $(cat "$root/verdict")"
done
/usr/bin/python3 -B "$source/tests/python/check-evidence.py" "$AUDIT" --folder "$root/bundles" >"$root/said" 2>&1 ||
    fail "the verifiers do not agree: $(tail -n 3 "$root/said")"

# --- for want of room
fed_stop broker
FED_BROKER_CONF='retention = 30 d' fed_broker_conf 2026a
fed_start_broker || exit 1
for ((i = 0; i < 60; i++)); do
    { echo payload; head -c 400000 /dev/urandom; } >"$root/out/large-$i"
    fed_tmx DE send --to IT --type CD974C --reference "large-$i" "$root/out/large-$i" >/dev/null || fail "large-$i could not be sent"
    ((i % 4 == 3)) && collect IT 5 --ack
done
for ((i = 0; i < 120 && $(find "$root/in/IT" -type f | wc -l) < 61; i++)); do
    collect IT 2 --ack
done
[ "$(find "$root/in/IT" -type f | wc -l)" = 61 ] || fail "not everything came: $(find "$root/in/IT" -type f | wc -l) of 61"
await settled || fail "something is open"
grep -q 'event=disk.full' "$FED/broker/log" && fail "what was kept stopped admission"
erased=$(look broker 'd["counters"]["erased"]')
[ "$erased" -ge 20 ] && [ "$erased" -lt 60 ] || fail "$erased containers made room"
grep -q 'event=container.erased.*code=disk-full' "$FED/broker/log" || fail "the log does not say why"
verify
say "24 MB through a spool of 16 MiB that keeps them for 30 days: $erased of 60 made room"
