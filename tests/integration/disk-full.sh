#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Disks that fill: the broker's spool of 8 MiB on a file system of 12, and a node's spool of 16 MiB. New messages are put off or
# refused and say why, reports and the log go on in what is held back for them, everything survives a restart, and goes on by
# itself when there is room again; an outside checker then finds every message once. QUE-2, NODE-1, NODE-12
# usage: disk-full.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(CH DE IT)
FED_BROKER_CAPACITY='8 MiB'
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
# shellcheck source=tests/integration/causes.sh
. "$(dirname "$0")/causes.sh"
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
small=$root/fed/broker
mkdir -p "$small" "$root/out" "$root/in"
world_end() { fed_stop broker KILL; "${as_root[@]}" umount -l "$small"; }   # a gate may hold it a moment longer
"${as_root[@]}" mount -t tmpfs -o "size=12m,mode=0700,uid=$(id -u),gid=$(id -g)" tmpfs "$small" || exit 1

# Space comes back with the outcome, not after a retention time; and one node is small.
world_made() {
    local m
    for m in DE IT; do
        fed_node_conf $m 'retention = 0 s'
    done
    # What is open keeps room for its evidence: deliveries have what is left between the two marks, 60 and 80 percent.
    FED_CAPACITY='16 MiB' fed_node_conf CH $'retention = 0 s\nhigh_water = 60'
    rm -rf "$FED/CH/spool" "$FED/CH/marker"
    "$NODE" init --config "$FED/CH/tmx-node.conf" >/dev/null || fail "the small node has no spool"
}

payloads() {   # payloads PREFIX COUNT SIZE
    python3 -c 'import os, sys
for i in range(int(sys.argv[2])):
    open(f"{sys.argv[1]}-{i:04}", "wb").write(b"payload" + os.urandom(int(sys.argv[3])))' "$root/out/$1" "$2" "$3"
}
deferred() { [ "$(look broker 'd["counters"]["deferred"]')" -gt "$1" ]; }
accepted() { look broker 'd["counters"]["accepted"]'; }
says() { fed_ctl "$1" status >"$root/status"; [ $? -eq "$2" ] && grep -q "$3" "$root/status"; }
alive() { kill -0 "$(cat "$FED/$1/pid")" 2>/dev/null || fail "$1 is not there any more"; }
arrived() { is broker "[x['queued'] for x in d['destinations'] if x['member'] == '$1']" '[0]'; }
# Collects until that many different messages came out.
collect_all() {
    local i
    for ((i = 0; i < 200 && $(find "$root/in/$1" -type f 2>/dev/null | wc -l) < $2; i++)); do
        collect "$1" 1 --ack
    done
}
# The payloads of those prefixes and what came out at a member: the same, each once.
same() {
    local m=$1 p
    shift
    for p in "$@"; do (cd "$root/out" && b2sum "$p"-* | cut -d' ' -f1); done | sort >"$root/sent"
    (cd "$root/in/$m" && b2sum -- * | cut -d' ' -f1) | sort >"$root/came"
    cmp -s "$root/sent" "$root/came"
}

world_start

# --- a spool that does not fit is not begun
sed 's/^capacity.*/capacity = 64 MiB/; s/^spool.*/spool = spool-2/; s/^marker.*/marker = marker-2/' \
    "$FED/broker/tmx-broker.conf" >"$FED/broker/too-large.conf"
"$BROKER" init --config "$FED/broker/too-large.conf" 2>"$root/said"
[ $? -eq 74 ] && grep -q 'No space left' "$root/said" || fail "a spool larger than its file system was begun: $(cat "$root/said")"
[ -z "$(find "$FED/broker" -name 'spool-2*' -o -name 'marker-2*')" ] || fail "something is left of a spool that was not begun"

# --- the broker's spool fills while a recipient is away: large messages, and many small ones whose reports need room too
fed_stop IT
payloads large 20 60000
payloads small 1600 300
fed_tmx DE send --to IT --type CD974C "$root"/out/large-* >/dev/null || fail "DE could not submit"
fed_tmx DE send --to IT --type CD974C "$root"/out/small-* >/dev/null || fail "DE could not submit"
payloads more 20 60000
fed_tmx DE send --to IT --type CD974C "$root"/out/more-* >/dev/null || fail "DE could not submit"
await deferred 0 || fail "nothing was put off: $(look broker 'd["spool"]')"
await says broker 2 'high-water' || fail "status does not say that the disk is full: $(cat "$root/status")"
problem broker critical 'the spool is above its high-water mark, or full with what is promised: admission has stopped'
cause broker IT 'disk-full *' 'outcomes give room back'
cause DE IT deferred 'admission stopped .disk-full'
checks broker 2 'TMX DISK CRITICAL - .* nothing new is taken' disk
alive broker
before=$(accepted)
[ "$before" -ge 500 ] || fail "only $before messages were accepted"
head -c 100M /dev/zero >"$FED/broker/junk" 2>/dev/null   # somebody else fills the file system to its last byte
fed_stop broker KILL
fed_start_broker || fail "a broker with a full disk did not start again"
await says broker 2 'high-water' || fail "after a restart status does not say that the disk is full"
problem broker warning 'the marker cannot be written: an old copy of the spool'
rm "$FED/broker/junk"
say "full at $(look broker 'd["spool"]["percent"]') percent, $before messages accepted"

# --- its reports pass, and nothing else does
fed_start_node IT || exit 1
await arrived IT || fail "reports do not pass: $(look broker '[d["destinations"], d["spool"]]')"
alive broker

# --- with the outcomes there is room again: all the rest comes by itself
collect_all IT 1640
alive broker
same IT large small more || fail "$(wc -l <"$root/came") of $(wc -l <"$root/sent") messages came out, or others"
await settled || fail "something has no outcome"
roomy() { ! says "$1" 2 'high-water'; }
await roomy broker || fail "status still says that the disk is full"

# --- the log only grows: the file system is grown, and the spool with it
"${as_root[@]}" mount -o remount,size=56m "$small" || fail "the file system could not be grown"
fed_stop broker
FED_BROKER_CAPACITY='48 MiB' fed_broker_conf 2026a
fed_start_broker || fail "the broker did not start with more room"
is broker 'd["spool"]["capacity_bytes"]' $((48 << 20)) || fail "the spool was not grown"

# --- a node's spool fills while the broker is away; then all that waits is sealed in what is left beside it
fed_stop IT
fed_stop broker
fed_stop CH
fed_start_node CH || exit 1     # without a link: nothing is sealed yet
payloads node 300 60000
sent_or_full() {   # charged with more than it needs until the spool is looked at again, which is within a second
    fed_tmx CH send --to IT --type CD974C --reference "${1##*/}" "$1" >/dev/null 2>"$root/said" || says CH 2 'high-water'
}
for f in "$root"/out/node-*; do
    await sent_or_full "$f" || fail "a submission is refused although there is room: $(cat "$root/said" "$root/status")"
    [ ! -s "$root/said" ] || break
done
is CH 'd["counters"]["waiting"] > 100' True || fail "the small node did not keep what it was given"
grep -q disk-full "$root/said" || fail "the application is not told that the disk is full: $(cat "$root/said")"
problem CH critical 'full with what is promised: submissions are refused'
cause CH IT 'port-closed link-down disk-full' 'submissions are refused'
refused=$f
alive CH
fed_tmx CH message "${refused##*/}" >/dev/null 2>&1 && fail "what was refused was stored"
for n in "$root"/out/node-*; do   # what was not submitted at all
    [[ $n < $refused ]] || rm "$n"
done
fed_stop CH KILL
fed_start_node CH || fail "a node with a full disk did not start again"
await says CH 2 'high-water' || fail "after a restart status of the node does not say that its disk is full"
fed_start_broker || exit 1
await is CH 'd["counters"]["waiting"] + d["counters"]["unanswered"]' 0 || fail "a full node does not send what waits in it"
alive CH

# --- more comes for it than it can hold: that waits at the broker
payloads back 30 120000
fed_tmx DE send --to CH --type CD974C "$root"/out/back-* >/dev/null || fail "DE could not submit"
await is DE 'd["counters"]["waiting"] + d["counters"]["unanswered"]' 0 || fail "messages for a full node were not accepted"
await grep -q event=delivery.no-room "$FED/CH/log" || fail "the node took more than it has room for"
cause CH CH 'inbox-full slow-consumer' 'they wait at the broker'
problem CH critical 'the spool has no room for deliveries: they wait at the broker'
cause broker CH 'not-arriving slow-consumer' 'tells a full inbox from the rest'
alive CH
fed_start_node IT || exit 1
collect_all CH 30
same CH back || fail "$(wc -l <"$root/came") of $(wc -l <"$root/sent") messages came out at CH, or others"

# --- and with the outcomes there is room again
rm -rf "$root/in/IT"
count=$(find "$root/out" -name 'node-*' | wc -l)
collect_all IT "$count"
same IT node || fail "$(wc -l <"$root/came") of $(wc -l <"$root/sent") messages of CH came out, or others"
await settled || fail "something has no outcome in the end"
await roomy CH || fail "the node does not notice that there is room again"
payloads last 1 60000
fed_tmx CH send --to IT --type CD974C --reference "${refused##*/}" "$root"/out/last-0000 >/dev/null || fail "CH cannot submit any more"
await state_is CH "${refused##*/}" arrived || fail "nothing goes out of CH any more"
verify
say "both disks filled; $((1640 + count + 30)) messages came out once each; log verified"
