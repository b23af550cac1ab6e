#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A spool that was put back to an old copy: neither the broker nor a node starts from it by itself, and the error names
# restore. After restore the node takes it up and reads in the log what it has lost. NODE-10, LOG-4
# usage: old-copy.sh SOURCE BUILD
set -uo pipefail
FED_TOP=$1 FED_BUILD=$2
export PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH
# shellcheck source=deploy/federation.sh
. "$FED_TOP/deploy/federation.sh"
root=$(mktemp -d)
FED_MEMBERS=()
trap 'fed_stop_all; rm -rf "$root"' EXIT
fail() { tail -n 8 "$FED"/*/log; echo "old-copy: $*"; exit 1; }
await() {
    for ((i = 0; i < 300; i++)); do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}
accepted() { [ "$(fed_tmx DE --json list | grep -cE '"state": ?"accepted"')" -ge "$1" ]; }
# refuses PROGRAM NAME: does not start, and says what to do
refuses() {
    timeout 20 "$1" run --config "$2" 2>"$root/said"
    [ $? -eq 1 ] && grep -q restore "$root/said"
}

fed_create "$root/fed" 2026a DE IT || exit 1
fed_start_broker && fed_start_node DE && fed_start_node IT || exit 1   # so that there are prekeys of IT
fed_stop IT
echo before >"$root/a"
fed_tmx DE send --to IT --type CD974C "$root/a" >/dev/null || fail "not sent"
await accepted 1 || fail "the first message was not accepted"
fed_stop DE
fed_stop broker
cp -a "$FED/broker/spool" "$root/broker-spool"
cp -a "$FED/DE/spool" "$root/DE-spool"
fed_start_broker && fed_start_node DE || exit 1
echo since >"$root/b"
fed_tmx DE send --to IT --type CD974C "$root/b" >/dev/null || fail "not sent"
await accepted 2 || fail "the second message was not accepted"
fed_stop DE
fed_stop broker

mv "$FED/broker/spool" "$root/broker-latest"
cp -a "$root/broker-spool" "$FED/broker/spool"
refuses "$BROKER" "$FED/broker/tmx-broker.conf" || fail "the broker starts from an old copy of its spool"
rm -rf "$FED/broker/spool"
mv "$root/broker-latest" "$FED/broker/spool"

rm -rf "$FED/DE/spool"
cp -a "$root/DE-spool" "$FED/DE/spool"
refuses "$NODE" "$FED/DE/tmx-node.conf" || fail "a node starts from an old copy of its spool"
"$NODE" restore --config "$FED/DE/tmx-node.conf" >/dev/null || fail "the node cannot be restored"
fed_start_broker && fed_start_node DE || exit 1
await accepted 2 || fail "the node does not find in the log what it sent since the copy"
echo "old copies are told, and taken up only by restore"
