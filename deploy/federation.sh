# SPDX-License-Identifier: Apache-2.0
# Sourced by deploy/demo and the integration tests: a whole federation in one folder, as its members would set it up.
#
#   fed_create ROOT SHARD MEMBER…   ceremony, keys, configurations, spools      fed_start_broker, fed_start_node MEMBER
#                                   a member whose ROOT/MEMBER/request.tmx is there already brings a node of its own
#   fed_stop NAME [SIGNAL]          broker or a member                          fed_stop_all
#   fed_tmx MEMBER …                the national user's command                 fed_ctl NAME …
# FED_BUILD is the build folder; FED_HOST where gates listen (127.0.0.1); FED_STATE ("state/") a folder for spools and markers;
# FED_BROKER_CONF further lines of tmx-broker.conf.
# shellcheck shell=bash

fed_programs() {
    AUTHORITY=$FED_BUILD/broker/authority/tmx-authority BROKER=$FED_BUILD/broker/tmx-broker NODE=$FED_BUILD/node/tmx-node
    TMX=$FED_BUILD/node/cli/tmx CTL=$FED_BUILD/broker/ctl/tmxctl AUDIT=$FED_BUILD/broker/audit/tmx-audit
    for p in "$AUTHORITY" "$BROKER" "$NODE" "$TMX" "$CTL" "$AUDIT"; do
        [ -x "$p" ] || { echo "missing: $p (build first: deploy/build plain)" >&2; return 1; }
    done
}

# Ports nobody listens on, searched upwards from a random place below those that connections get at their own end.
fed_free_ports() {
    python3 - "$1" <<'PY'
import random, socket, sys
n, found = int(sys.argv[1]), []
base = random.randrange(10000, 32000)
for port in range(base, base + 700):
    with socket.socket() as s:
        try:
            s.bind(('127.0.0.1', port))
            found.append(port)
        except OSError:
            continue
    if len(found) == n:
        break
print(*found)
PY
}

fed_broker_conf() {
    cat >"$FED/broker/tmx-broker.conf" <<CONF
[broker]
directory = ../directory.tmx
authority = ../authority.pub
keys = keys
shard = $1
spool = ${FED_STATE:-}spool
capacity = ${FED_BROKER_CAPACITY:-${FED_CAPACITY:-512 MiB}}
marker = ${FED_STATE:-}marker
run = run
log_level = ${FED_LOG:-info}
${FED_BROKER_CONF:-}
CONF
}

# fed_node_conf MEMBER [extra lines]
fed_node_conf() {
    local own=FED_CAPACITY_$1
    cat >"$FED/$1/tmx-node.conf" <<CONF
[node]
member = $1
directory = ../directory.tmx
authority = ../authority.pub
keys = keys
spool = ${FED_STATE:-}spool
capacity = ${!own:-${FED_CAPACITY:-512 MiB}}
marker = ${FED_STATE:-}marker
run = run
catalogue = $FED_TOP/proto/catalogue-ncts-p5.conf
endpoint = ipc://$FED_SOCKETS/$1
log_level = ${FED_LOG:-info}
${2:-}
CONF
}

# Signs the draft with two of three authority keys; the result is $FED/directory.tmx.
fed_sign() {
    "$AUTHORITY" sign --dir "$FED/authority" --key "$FED/authority/authority-1.key" --key "$FED/authority/authority-2.key" \
        --out "$FED/directory.tmx" "$@" >/dev/null
}

fed_create() {
    FED=$1
    local shard=$2 gates=() ports i=0 m
    shift 2
    FED_MEMBERS=("$@")
    fed_programs || return 1
    # Socket paths are short (108 bytes at most), whatever the folder is called.
    FED_SOCKETS=$(mktemp -d /tmp/tmx-XXXXXX)
    mkdir -p "$FED/broker/${FED_STATE:-}"
    read -r -a ports < <(fed_free_ports ${#FED_MEMBERS[@]})
    for m in "${FED_MEMBERS[@]}"; do
        gates+=(--gate "$m=tcp://${FED_HOST:-127.0.0.1}:${ports[$i]}")
        i=$((i + 1))
    done
    "$AUTHORITY" init --federation demo --keys 3 --threshold 2 "$FED/authority" >/dev/null || return 1
    "$AUTHORITY" broker-keys --federation demo --shard "$shard" --keys "$FED/broker/keys" "${gates[@]}" \
        --out "$FED/broker/broker.pub" >/dev/null || return 1
    for m in "${FED_MEMBERS[@]}"; do
        mkdir -p "$FED/$m/${FED_STATE:-}"
        [ -f "$FED/$m/request.tmx" ] ||
            "$AUTHORITY" request --member "$m" --name "Customs administration of $m" --keys "$FED/$m/keys" \
                --out "$FED/$m/request.tmx" >/dev/null || return 1
        "$AUTHORITY" admit "$FED/$m/request.tmx" --dir "$FED/authority" >/dev/null || return 1
    done
    "$AUTHORITY" add-log "$FED/broker/broker.pub" --dir "$FED/authority" >/dev/null &&
        "$AUTHORITY" add-gate "$FED/broker/broker.pub" --dir "$FED/authority" >/dev/null &&
        "$AUTHORITY" catalogue "$FED_TOP/proto/catalogue-ncts-p5.conf" --dir "$FED/authority" >/dev/null &&
        "$AUTHORITY" policy-majority --dir "$FED/authority" >/dev/null &&
        fed_sign || return 1
    cp "$FED/authority/authority.pub" "$FED/authority.pub"
    fed_broker_conf "$shard"
    "$BROKER" init --config "$FED/broker/tmx-broker.conf" >/dev/null || return 1
    for m in "${FED_MEMBERS[@]}"; do
        [ -d "$FED/$m/keys" ] || continue
        fed_node_conf "$m"
        "$NODE" init --config "$FED/$m/tmx-node.conf" >/dev/null || return 1
    done
}

# Waits until a daemon answers on its control socket; fails when it ended or after 20 s.
fed_await() {
    local name=$1 pid=$2 i
    for ((i = 0; i < 400; i++)); do
        "$CTL" --socket "$FED/$name/run/control" --json status >/dev/null 2>&1
        [ $? -ne 3 ] && return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    echo "$name did not start:" >&2
    tail -n 5 "$FED/$name/log" >&2
    return 1
}

fed_start_broker() {
    "$BROKER" run --config "$FED/broker/tmx-broker.conf" >>"$FED/broker/log" 2>&1 &
    echo $! >"$FED/broker/pid"
    fed_await broker $!
}

fed_start_node() {
    "$NODE" run --config "$FED/$1/tmx-node.conf" >>"$FED/$1/log" 2>&1 &
    echo $! >"$FED/$1/pid"
    fed_await "$1" $!
}

fed_stop() {
    local pid
    [ -f "$FED/$1/pid" ] || return 0
    pid=$(cat "$FED/$1/pid")
    rm -f "$FED/$1/pid"
    kill -"${2:-TERM}" "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    return 0
}

fed_stop_all() {
    local m
    for m in "${FED_MEMBERS[@]}" broker; do
        fed_stop "$m"
    done
    [ -z "${FED_SOCKETS:-}" ] || rm -rf "$FED_SOCKETS"
}

fed_tmx() {
    local m=$1
    shift
    "$TMX" --node "ipc://$FED_SOCKETS/$m" "$@"
}

fed_ctl() {
    local name=$1
    shift
    "$CTL" --socket "$FED/$name/run/control" "$@"
}
