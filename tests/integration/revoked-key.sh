#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A member has two transport keys; one is revoked. Who is connected with it is cut off and does not come back, without a
# restart of anything; with the other key the member is linked. TRA-2, TRA-3, DIR-8
# usage: revoked-key.sh SOURCE BUILD
set -uo pipefail
FED_TOP=$1 FED_BUILD=$2
export PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH
# shellcheck source=deploy/federation.sh
. "$FED_TOP/deploy/federation.sh"
root=$(mktemp -d)
FED_MEMBERS=()
trap 'fed_stop_all; rm -rf "$root"' EXIT
fail() { tail -n 8 "$FED"/*/log; echo "revoked-key: $*"; exit 1; }
# await COMMAND…: until it succeeds, at most 30 s
await() {
    for ((i = 0; i < 300; i++)); do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}
# status PYTHON: an expression over the broker's status
status() { fed_ctl broker --json status | python3 -c "import json, sys; s = json.load(sys.stdin); sys.exit(not ($1))"; }
linked() { status "any(d['member'] == 'DE' and d['link'] == 'up' for d in s['destinations'])"; }
cut_off() { ! linked; }
refused() { status "any(g['member'] == 'DE' and g['counters']['refused'] > 0 for g in s['gates'])"; }

fed_create "$root/fed" 2026a DE IT || exit 1
old=$FED/DE/keys/curve.key
mv "$old" "$root/old.key"
"$AUTHORITY" request --member DE --name "Customs administration of DE" --keys "$FED/DE/keys" --out "$root/more.tmx" >/dev/null &&
    "$AUTHORITY" admit "$root/more.tmx" --dir "$FED/authority" >/dev/null && fed_sign || fail "no second key"
mv "$old" "$root/new.key"
cp -f "$root/old.key" "$old"
fed_start_broker && fed_start_node DE || exit 1
await linked || fail "DE does not reach the broker with its first key"

id=$("$AUTHORITY" show "$FED/directory.tmx" --json |   # the first it had
    python3 -c 'import json, sys; print(next(m for m in json.load(sys.stdin)["members"] if m["code"] == "DE")["curve_keys"][0]["id"])')
"$AUTHORITY" revoke DE --key "$id" --dir "$FED/authority" >"$root/said" 2>&1 || { cat "$root/said"; fail "the key could not be revoked"; }
fed_sign || fail "no directory"
fed_ctl broker directory install "$FED/directory.tmx" >/dev/null || fail "the directory was not taken"
await cut_off || fail "the link under the revoked key stays"
await refused || fail "the revoked key was not refused"
linked && fail "the revoked key is admitted"

fed_stop DE
cp -f "$root/new.key" "$old"   # 0400: not written over but by root
fed_start_node DE || exit 1
await linked || fail "DE does not reach the broker with its other key"
echo "one key revoked, the other one good"
