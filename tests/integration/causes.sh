# SPDX-License-Identifier: Apache-2.0
# Sourced behind world.sh by tests that make faults: what operators are told of them. Every command that is told is typed
# (typed.py). tests/arch/faults.py reads who makes what: a call names it in its own words.
#
#   cause NAME WORD 'CODE…' [PATTERN]        tmxctl why WORD there names these causes and no others, in this order (* is any), and says that
#   no_cause NAME WORD                       it names none
#   problem NAME SEVERITY PATTERN            tmxctl status there says so
#   no_problem NAME PATTERN
#   checks NAME STATUS PATTERN QUESTION [OPTION…]   tmxctl check there ends so, with that line
#   clock_of FILE [WALL [MONOTONIC]]         so many seconds are the clocks off of whom start_on FILE starts
#   start_on FILE broker|MEMBER
# shellcheck shell=bash disable=SC2034
count=0
typed() { python3 -B "$FED_TOP/tests/integration/typed.py" "$FED_BUILD" "$FED" "$1" >>"$root/typed" 2>&1; }
causes() {
    fed_ctl "$1" --json why "$2" >"$root/causes" 2>/dev/null
    python3 -c 'import json, sys; print(*[c["code"] for c in json.load(sys.stdin)["causes"]] or "-")' <"$root/causes" 2>/dev/null
}
# shellcheck disable=SC2053  # a pattern
causes_are() { [[ "$(causes "$1" "$2")" = $3 ]]; }

cause_is() {
    causes_are "$1" "$2" "$3" || return 1
    fed_ctl "$1" why "$2" >"$root/screen"
    grep -qE -e "${4:-.}" "$root/screen"
}
cause() {
    await cause_is "$@" || fail "why $2 at $1 is not $3, '${4:-}', but: $(causes "$1" "$2"; fed_ctl "$1" why "$2")"
    typed "$1" <"$root/causes" || fail "why $2 at $1 tells to type what is wrong: $(cat "$root/typed" "$root/causes")"
    sed -n "1s/^/$1 why $2: /p" "$root/screen"
    count=$((count + 1))
}
no_cause() { await causes_are "$1" "$2" - || fail "why $2 at $1: $(causes "$1" "$2")"; }

# An answer with such a problem, of this severity (yes), or without any like it (no).
told() {
    fed_ctl "$1" --json status >"$root/status"
    python3 -c 'import json, re, sys
like = [p["severity"] for p in json.load(sys.stdin)["problems"] if re.search(sys.argv[3], p["text"])]
sys.exit(sys.argv[2] not in like if sys.argv[1] == "yes" else like != [])' "$2" "$3" "$4" <"$root/status" 2>/dev/null
}
status_says() { told "$1" yes "$2" "$3"; }
problem() {
    await status_says "$@" || fail "status of $1 does not say '$3': $(look "$1" 'd["problems"]')"
    typed "$1" <"$root/status" || fail "status of $1 tells to type what is wrong: $(cat "$root/typed" "$root/status")"
    count=$((count + 1))
}
no_problem() { await told "$1" no any "$2" || fail "status of $1 still says '$2'"; }

check_says() {
    local name=$1 status=$2 pattern=$3
    shift 3
    fed_ctl "$name" check "$@" >"$root/said"
    [ $? -eq "$status" ] && grep -qE -e "$pattern" "$root/said"
}
checks() {
    await check_says "$@" || fail "check $4 of $1 is not '$3': $(cat "$root/said")"
    sed "s/^/$1: /" "$root/said"
    count=$((count + 1))
}

clock_of() {
    [ -f "$root/$1" ] || truncate -s 32 "$root/$1"   # never shorter: it is mapped
    python3 -c 'import struct, sys
wall, monotonic = map(int, sys.argv[2:])
with open(sys.argv[1], "r+b") as f:
    f.write(struct.pack("=4q", wall, monotonic, wall, monotonic))' "$root/$1" "${2:-0}" "${3:-0}"
}
start_on() {
    export LD_PRELOAD=$FED_BUILD/tests/integration/libshift-clock.so SHIFT_CLOCK=$root/$1
    if [ "$2" = broker ]; then fed_start_broker; else fed_start_node "$2"; fi
    local r=$?
    unset LD_PRELOAD SHIFT_CLOCK
    return $r
}
