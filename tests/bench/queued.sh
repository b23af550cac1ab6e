# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/bench/run: what operators meet when very much is queued. COUNT deliveries wait at the broker, first in messages to
# ten members that are away, then as many more for IT alone; DE, who sent them, has them in its outbox, and FR gets its own into its
# inbox.
# shellcheck shell=bash disable=SC2034,SC2154   # set, or used, by run and federation.sh

away=(AT BE BG CY CZ DK EE ES FI FR)   # each has published prekeys and is gone

# The start with what is in the spool, and how long until the ages of it are known.
start_timed() {
    local name=$1 at
    fed_stop "$name"
    at=$(date +%s%N)
    if [ "$name" = broker ]; then fed_start_broker; else fed_start_node "$name"; fi || exit 1
    echo "  start of $name: $(ms_since "$at") ms, RssAnon $(memory "$name")"
    await known "$name" && echo "  ages of it known after $(ms_since "$at") ms, RssAnon $(memory "$name")"
}
known() {
    local said
    said=$(fed_ctl "$1" --json status)
    [ -n "$said" ] && [[ $said != *counted_percent* ]]
}

# queued_table TITLE NAME DESTINATION MESSAGE [NAME=COMMAND…]
queued_table() {
    local title=$1 name=$2 to=$3 id=$4
    shift 4
    /usr/bin/python3 -B "$FED_TOP/tests/bench/queued.py" "$title" "$FED/$name/run/control" "$CTL" "$(cat "$FED/$name/http")" \
        status=status "status --all=status --all" "why DEST=why $to" "why MESSAGE=why $id" "message ID=message $id" \
        "check backlog=check backlog" "queue DEST=queue $to" "peers=peers" "$@" || exit 1
}
first_of() { fed_ctl broker --json queue "$1" | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["messages"][0]["id"])'; }

broker_tables() {
    queued_table "broker, $1" broker "$2" "$(first_of "$2")" "hold --to DEST (dry run)=hold --to $2" \
        "hold, all of them (dry run)=hold --older-than 1s" "expire, of no such type=propose expire --type CD001C"
}


# One after the other, as an impatient operator with three screens would.
looking() {
    while [ -e "$root/go" ]; do
        fed_ctl broker status >/dev/null
        curl -s "http://$(cat "$FED/broker/http")/metrics" >/dev/null
        fed_ctl broker hold --to "$1" >/dev/null
    done
}

traffic() {
    echo "  DE to CH, 2 KB, at full speed:"
    printf '    alone: ' && "$bench" "ipc://$FED_SOCKETS/DE" CH 8x32 20000 2048 0
    touch "$root/go"
    looking "$1" &
    printf '    status, metrics and a dry run one after the other beside it: ' && "$bench" "ipc://$FED_SOCKETS/DE" CH 8x32 20000 2048 0
    rm "$root/go"
    wait $!
}

queued() {
    local many=$((count / ${#away[@]} / 8 * 8)) port id n   # as many of each submitter
    FED_CAPACITY='512 MiB' FED_CAPACITY_CH='4 GiB' FED_CAPACITY_FR="$((512 + count / 600)) MiB" FED_CAPACITY_DE="$((4096 + count / 60)) MiB" FED_BROKER_CAPACITY="$((2048 + count / 60)) MiB"
    read -r -a port < <(fed_free_ports 3)
    FED_BROKER_CONF="queue_max = 4000000
http = 127.0.0.1:${port[0]}"
    fed_create "$root/fed" 2026a DE CH IT "${away[@]}" || exit 1
    echo "127.0.0.1:${port[0]}" >"$FED/broker/http"
    echo "127.0.0.1:${port[1]}" >"$FED/DE/http"
    fed_node_conf DE "http = 127.0.0.1:${port[1]}"
    echo "127.0.0.1:${port[2]}" >"$FED/FR/http"
    fed_node_conf FR "http = 127.0.0.1:${port[2]}"
    start DE CH IT "${away[@]}"
    for n in IT "${away[@]}"; do fed_stop "$n"; done
    "$bench" "ipc://$FED_SOCKETS/DE" IT 1x1 1 100 0 accepted
    broker_tables "1 delivery queued" IT
    traffic IT
    echo "$many messages to ${#away[@]} members that are away"
    "$bench" "ipc://$FED_SOCKETS/DE" "$(IFS=,; echo "${away[*]}")" 8x32 "$many" 100 0 accepted
    start_timed broker
    await linked DE && await linked CH
    broker_tables "$((many * ${#away[@]})) deliveries queued, for ${#away[@]} members" FR
    traffic FR
    start_timed DE
    id=$(first_of FR)
    queued_table "node, $many messages in its outbox, each for ${#away[@]} members" DE FR "$id"
    start_nodes FR
    arrived() { [ "$(field FR '["counters"]["received"]')" -ge "$many" ]; }
    await arrived || echo "  not arrived in time"
    start_timed FR
    queued_table "node, $many messages in its inbox" FR DE "$id"
    fed_stop FR
    echo "$count messages to IT, who is away"
    "$bench" "ipc://$FED_SOCKETS/DE" IT 8x32 "$count" 100 0 accepted
    start_timed broker
    await linked DE && await linked CH
    broker_tables "$count deliveries queued for one member" IT
    traffic IT
    start_timed DE
    queued_table "node, $count messages more in its outbox, for one member" DE IT "$(first_of IT)"
}
