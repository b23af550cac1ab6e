#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demonstration as the README has it, left running and then played again. $1 source folder.
set -uo pipefail
top=$1
scratch=$(mktemp -d)
log=$scratch/log
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
# Another interface has the addresses that the demonstration's network would take first.
taken=no
"${as_root[@]}" ip link add tmxtaken type veth peer name tmxtaken2 2>/dev/null &&
    "${as_root[@]}" ip addr add 10.203.77.1/30 dev tmxtaken && "${as_root[@]}" ip link set tmxtaken up && taken=yes
trap '[ "$taken" = no ] || "${as_root[@]}" ip link del tmxtaken; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
fail() { echo "demo: $*"; tail -n 40 "$log"; exit 1; }

played() {
    "$top/deploy/demo" "$@" >"$log" 2>&1 || fail "deploy/demo $* failed"
    grep -q '^verdict     ok$' "$log" || fail "the log was not verified"
    grep -q '^- 13 messages arrived byte for byte .* (13 of 13 files are equal)' "$log" || fail "13 messages were not received"
    grep -q '^broker of demo: ok' "$log" || fail "the broker was not well at the end"
}

# Stopped in the middle, --keep or not, it leaves nothing.
"$top/deploy/demo" --keep >"$log" 2>&1 &
demo=$!
for ((i = 0; i < 600; i++)); do
    grep -q '^all four nodes are linked' "$log" && break
    kill -0 $demo 2>/dev/null || break
    sleep 0.1
done
left=$(cat "$top"/build/demo/federation/*/pid)
[ "$(wc -w <<<"$left")" -eq 5 ] || fail "not one broker and four nodes"
kill $demo
wait $demo
[ $? -eq 143 ] || fail "it does not end by the signal that it was stopped with"
for pid in $left; do
    kill -0 "$pid" 2>/dev/null && fail "$(cat "/proc/$pid/comm") ($pid) is left"
done
net=$(sed -n 's/^the Swiss application has a network of its own (\([^)]*\)).*/\1/p' "$log")
[ "$taken" = no ] || [ -n "$net" ] || fail "it made no network of its own, where one can be made"
[ -z "$net" ] || { ip netns list | grep -qw "$net" && fail "the network $net is left"; }

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
