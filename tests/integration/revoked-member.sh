#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Members are suspended and revoked while they are connected and busy: from the installation of the directory on a suspended
# one submits nothing but collects and reports, and a revoked one is cut off for good, its open deliveries end as CoE
# recipient-revoked, and the others go on. DIR-7, DIR-8, QUE-11, TRA-3
# usage: revoked-member.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(CH DE FR IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
# shellcheck source=tests/integration/causes.sh
. "$(dirname "$0")/causes.sh"

install() {   # what authority and operator do
    fed_sign || fail "the directory was not signed"
    fed_ctl broker directory install "$FED/directory.tmx" >/dev/null || fail "the directory was not installed"
}

# A member that submits without a pause until the file is gone.
keep_sending() {
    local n=0
    while [ -e "$root/go" ]; do
        n=$((n + 1))
        fed_tmx "$1" send --to "$2" --type CD974C --reference "stream-$n" "$root/out/stream" >/dev/null 2>&1
    done
}

gate() { look broker "next((str(g['$2']) for g in d['gates'] if g['member'] == '$1'), '')"; }
accepted() { look broker 'd["counters"]["accepted"]'; }
more_than() { [ "$(accepted)" -gt "$1" ]; }
linked() { [ "$(look broker "next(x['link'] for x in d['destinations'] if x['member'] == '$1')")" = up ]; }
refused_at_home() {   # refused_at_home FROM TO CODE
    fed_tmx "$1" send --to "$2" --type CD974C "$root/out/stream" >"$root/said" 2>&1 && fail "$1 submitted to $2"
    grep -q "$3" "$root/said" || fail "$1 is not told '$3': $(cat "$root/said")"
}
ended_revoked() {     # the sender sees CoE with its code
    state_is "$1" "$2" exception && fed_tmx "$1" message "$2" | grep -q 'CoE.*recipient-revoked'
}

world_start
payload "$root/out/stream"

# --- suspended: what it has is reported, what is for it waits, what it submits is refused
send IT FR a
await state_is IT a arrived || fail "a did not arrive"
"$AUTHORITY" suspend --dir "$FED/authority" FR >/dev/null && install
for m in "${MEMBERS[@]}"; do
    await is "$m" 'd["directory"]["serial"]' 2 || fail "$m did not get the directory that suspends FR"
done
linked FR || fail "a suspended member is not linked any more"
refused_at_home FR IT member-suspended
send IT FR b
await state_is IT b accepted || fail "a message for a suspended member was not accepted"
collect FR 5 --ack
await state_is IT a delivered || fail "a suspended member could not collect and report"
state_is IT b accepted || fail "a message was delivered to a suspended member"
"$AUTHORITY" reinstate --dir "$FED/authority" FR >/dev/null && install
await state_is IT b arrived || fail "what waited for the suspended member was not delivered when it was reinstated"

# --- revoked: DE while it submits as fast as it can, FR while deliveries to it are under way
touch "$root/go"
keep_sending DE IT &
sender=$!
world_end() { rm -f "$root/go"; kill -CONT "$(cat "$FED/FR/pid")" 2>/dev/null; wait "$sender"; }
send IT DE c
await state_is IT c arrived || fail "c did not arrive"
kill -STOP "$(cat "$FED/FR/pid")"
send CH FR d
send IT FR e
await state_is CH d accepted && await state_is IT e accepted || fail "messages for a member that hangs were not accepted"
await more_than $(($(accepted) + 5)) || fail "DE does not send"
linked FR && linked DE || fail "not both were linked when they were revoked"
pid=$(gate DE pid)
"$AUTHORITY" revoke --dir "$FED/authority" DE >/dev/null && "$AUTHORITY" revoke --dir "$FED/authority" FR >/dev/null && install

# From here on nothing of theirs counts, whatever they had on its way and whatever they say now.
at=$(accepted)
kill -CONT "$(cat "$FED/FR/pid")"
await ended_revoked CH d || fail "d did not end as recipient-revoked: $(fed_tmx CH message d)"
await ended_revoked IT e || fail "e did not end as recipient-revoked: $(fed_tmx IT message e)"
state_is IT c arrived || fail "a delivery that had arrived was ended"
cause broker DE 'member-revoked*' 'cut off'
cause CH DE member-status 'cut off for good'
await is FR 'd["link"]["state"]' down && await is DE 'd["link"]["state"]' down || fail "a revoked member is still linked"
[ -z "$(gate DE pid)$(gate FR pid)" ] || fail "a revoked member still has a gate"
kill -0 "$pid" 2>/dev/null && fail "the gate of DE still runs"
send CH IT x y z
for n in x y z; do
    await state_is CH $n arrived || fail "$n waits for the revoked members"
done
[ "$(accepted)" = $((at + 3)) ] || fail "$(($(accepted) - at - 3)) messages of a revoked member were accepted"
for m in CH IT; do
    await is "$m" 'd["directory"]["serial"]' 4 || fail "$m did not get the directory that revokes"
    refused_at_home $m DE unknown-recipient
    [ "$(gate $m restarts)" = 0 ] || fail "the gate of $m was restarted"
done
collect IT 5 --ack
await state_is CH z delivered || fail "z has no outcome"
for n in x y z; do
    [ "$(copies IT $n)" = 1 ] || fail "$n came out $(copies IT $n) times"
done
! grep -h ' warning ' "$FED"/CH/log "$FED"/IT/log || fail "the new directories, or those they shut out, alarmed the others"
verify   # the auditor finds nothing of DE and FR behind the leaf that revokes them
say "suspended: waits and reports; revoked: cut off at once, open deliveries ended, $at accepted before and none after"
