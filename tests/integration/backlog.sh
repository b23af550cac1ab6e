#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# More than the pipes between the processes hold: a recipient that was away comes back to a backlog, and many submit at once. Nothing of
# what was numbered is lost on the way (a gap costs a session), and everything arrives. LINK-3, QUE-10
# usage: backlog.sh SOURCE BUILD
set -uo pipefail
FED_TOP=$1 FED_BUILD=$2
export PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH
# shellcheck source=deploy/federation.sh
. "$FED_TOP/deploy/federation.sh"
root=$(mktemp -d)
FED_MEMBERS=()
trap 'fed_stop_all; rm -rf "$root"' EXIT
fail() { echo "backlog: $*"; grep -hvE 'message\.|delivery\.|report\.' "$FED"/*/log | tail -n 20; exit 1; }
count=600
fed_create "$root/fed" 2026a DE IT || exit 1
fed_start_broker && fed_start_node DE || exit 1
mkdir "$root/out"
# 50 KiB each: 30 MiB, many times what a gate holds for one member.
for ((i = 0; i < count; i++)); do { printf x; head -c 50000 /dev/urandom; } >"$root/out/$i"; done
fed_tmx DE send --to IT --type CD974C "$root/out"/* >/dev/null || fail "the messages could not be sent"
queued() { fed_ctl broker --json queue IT 2>/dev/null | grep -c '"id"'; }
await() { for ((i = 0; i < 600; i++)); do "$@" && return 0; sleep 0.1; done; return 1; }
accepted() { [ "$(fed_ctl broker --json status | python3 -c 'import json,sys; print(json.load(sys.stdin)["counters"]["accepted"])')" -eq "$count" ]; }
arrived() { [ "$(fed_ctl IT --json status | python3 -c 'import json,sys; print(json.load(sys.stdin)["counters"]["received"])')" -eq "$count" ]; }
await accepted || fail "not everything was accepted"
[ "$(queued)" -gt 0 ] || fail "nothing waits for the member that is away"
fed_start_node IT || exit 1
await arrived || fail "not everything arrived: $(fed_ctl IT --json status)"
gaps=$(cat "$FED"/*/log | grep -cE 'link\.(gap|overload|bye)')
[ "$gaps" -eq 0 ] || fail "$gaps sessions ended by a gap"
echo "backlog: $count messages of 50 KB arrived, no gap"
