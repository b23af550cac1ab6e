#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demonstration as the README has it, left running and then played again. $1 source folder.
set -uo pipefail
top=$1
scratch=$(mktemp -d)
log=$scratch/log
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
fail() { echo "demo: $*"; tail -n 40 "$log"; exit 1; }

played() {
    "$top/deploy/demo" "$@" >"$log" 2>&1 || fail "deploy/demo $* failed"
    grep -q '^verdict     ok$' "$log" || fail "the log was not verified"
    grep -q '^- 13 messages arrived byte for byte .* (13 of 13 files are equal)' "$log" || fail "13 messages were not received"
    grep -q '^broker of demo: ok' "$log" || fail "the broker was not well at the end"
}

played --keep
kept=$(cat "$top/build/demo/kept") || fail "nothing says what was kept"
tries=$(sed -n '/^== Left running/,$s/^  \//\//p' "$log")
[ "$(wc -l <<<"$tries")" -eq 5 ] || fail "not five commands to try"
while IFS= read -r line; do
    bash -c "$line" >>"$log" 2>&1 </dev/null || fail "what it says to try fails: $line"
done <<<"$tries"
played
while read -r pid name; do
    case $pid in
    netns) ip netns list | grep -qw "$name" && fail "the network $name is left" ;;
    *) [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$name" ] && fail "$name ($pid) is left" ;;
    esac
done <<<"$kept"
exit 0
