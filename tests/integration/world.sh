# SPDX-License-Identifier: Apache-2.0
# Sourced by the integration tests in shell: a federation of real processes in a temporary folder, and how to wait for and look
# at it. Expects SOURCE and BUILD as $1 and $2, and the members' codes in the array MEMBERS.
#
#   world_start                    federation created, world_made called (nothing by default), broker and every node started,
#                                  all of them know each other's prekeys
#   send FROM TO NAME…             payloads $root/out/NAME, also the references of the messages
#   collect MEMBER SECONDS [OPTION]  receives what comes into $root/in/MEMBER; one JSON line a message in $root/in/MEMBER.log
#   copies MEMBER NAME             how often that payload came out there
#   each_once MEMBER               all that was ever sent came out there, each once; says what did not
#   await COMMAND…                 until it succeeds, at most 30 s
#   look NAME EXPRESSION           a Python expression over `d`, the status of a broker or node
#   state_is MEMBER REFERENCE S    that message's first delivery is in state S at its sender
#   settled                        nothing queued, nothing arrived without outcome, at the broker
#   verify                         the log, exported and checked with public keys only
# shellcheck shell=bash disable=SC2034
FED_TOP=$1 FED_BUILD=$2
export PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH
FED_CAPACITY=${FED_CAPACITY:-64 MiB}
# shellcheck source=deploy/federation.sh
. "$FED_TOP/deploy/federation.sh"
test_name=$(basename "$0" .sh)
root=$(mktemp -d "/tmp/tmx $test_name-XXXXXX")
FED_MEMBERS=()
world_made() { :; }
world_end() { :; }
trap 'world_end; fed_stop_all; rm -rf "$root"' EXIT

# The reason comes last, where whoever reads a long log looks first.
fail() {
    for m in "${MEMBERS[@]}" broker; do fed_ctl $m --json status; done
    for m in "${MEMBERS[@]}" broker; do fed_ctl $m status; done
    tail -n "${FAIL_LINES:-8}" "$FED"/*/log
    echo "$test_name: $*"
    exit 1
}

say() { echo "$test_name: $*"; }

world_start() {
    local m
    mkdir -p "$root/out" "$root/in"
    fed_create "$root/fed" 2026a "${MEMBERS[@]}" || exit 1
    world_made
    fed_start_broker || exit 1
    for m in "${MEMBERS[@]}"; do
        fed_start_node "$m" || exit 1
    done
    for m in "${MEMBERS[@]}"; do
        await knows_prekeys "$m" || fail "$m never learned the prekeys of the others"
    done
}

knows_prekeys() {
    fed_ctl "$1" --json peers 2>/dev/null | python3 -c 'import json, sys
sys.exit(not all(p["prekeys_until_at_ms"] for p in json.load(sys.stdin)["peers"]))'
}

payload() { { echo "payload"; head -c 3000 /dev/urandom; } >"$1"; }   # what begins with < would be read as XML

send() {
    local from=$1 to=$2 n
    shift 2
    for n in "$@"; do
        [ -f "$root/out/$n" ] || payload "$root/out/$n"
        fed_tmx "$from" send --to "$to" --type CD974C --reference "$n" "$root/out/$n" >/dev/null || fail "$from could not send $n"
    done
}

collect() {
    local m=$1 seconds=$2
    shift 2
    mkdir -p "$root/in/$m"
    fed_tmx "$m" --json receive --wait "$seconds" --max 64 --to "$root/in/$m" "$@" >>"$root/in/$m.log" || fail "$m could not collect"
}

copies() { find "$root/in/$1" -type f -exec cmp -s {} "$root/out/$2" \; -print 2>/dev/null | wc -l; }

sums() { find "$1" -type f -exec sha256sum {} + | cut -c1-64 | sort; }
each_once() { diff <(sums "$root/out") <(sums "$root/in/$1"); }

has() { [ "$(copies "$1" "$2")" -ge 1 ]; }

await() {
    local end=$((SECONDS + 30))
    while ! "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

look() {
    fed_ctl "$1" --json status 2>/dev/null | python3 -c 'import json, sys
d = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$2" 2>/dev/null
}

is() { [ "$(look "$1" "$2")" = "$3" ]; }

state_is() {
    fed_tmx "$1" --json message "$2" 2>/dev/null | python3 -c 'import json, sys
sys.exit(json.load(sys.stdin)["deliveries"][0]["state"] != sys.argv[1])' "$3"
}

settled() { is broker 'sum(x["queued"] + x["arrived"] for x in d["destinations"])' 0; }

verify() {
    rm -rf "$root/export"
    "$AUDIT" export --socket "$FED/broker/run/control" "$root/export" >/dev/null || fail "the log could not be exported"
    "$AUDIT" verify "$root/export" --authority "$FED/authority.pub" >"$root/verdict" || { cat "$root/verdict"; fail "the log does not verify"; }
}
