#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The authority's ceremony from the first key to a change of keys, as its holders would do it: every step, and the
# mistakes that must be refused. DIR-1, DIR-2, DIR-3, DIR-4
#
#   authority.sh TMX-AUTHORITY CATALOGUE
set -eu
tool=$1
catalogue=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

die()
{
    echo "FAILED: $*" >&2
    echo "--- output:" >&2
    cat out err >&2
    exit 1
}

# works ARGUMENT...
works()
{
    "$tool" "$@" >out 2>err || die "$*"
}

# refused STATUS TEXT ARGUMENT...: that exit status, and TEXT in one line on stderr
refused()
{
    status=$1 text=$2
    shift 2
    got=0
    "$tool" "$@" >out 2>err || got=$?
    [ "$got" -eq "$status" ] || die "exit status $got, not $status: $*"
    grep -qF -- "$text" err || die "no '$text' in what it says: $*"
    [ "$status" -eq 64 ] || [ "$(wc -l <err)" -eq 1 ] || die "more than one line: $*"
}

# says TEXT: the last output holds it
says()
{
    grep -qF -- "$1" out || die "no '$1' in the output"
}

# shows FILE: the last output begins with the file it is about
shows()
{
    head -1 out | grep -qE "^shown +$1$" || die "the first line does not name $1"
}

mode()
{
    [ "$(stat -c %a "$2")" = "$1" ] || die "$2 has not the mode $1"
}

# --- the first ceremony: two of three keys
works init --federation test --keys 3 --threshold 2 fed
mode 400 fed/authority-1.key
head -1 fed/authority-1.key | grep -qx 'tmx-key 1 authority' || die "first line of a key file"
head -1 fed/authority.pub | grep -qx 'threshold 2' || die "first line of authority.pub"
[ "$(wc -l <fed/authority.pub)" -eq 4 ] || die "authority.pub"
works show --dir fed
shows 'fed/directory.draft \(not signed yet\)'
refused 1 "created here before" init --federation test --keys 3 --threshold 2 fed
refused 1 "more than the" init --federation test --keys 2 --threshold 3 other
refused 1 "lower-case" init --federation Test --keys 2 --threshold 2 other

# --- members
for member in FR DE; do
    works request --member $member --name "Verwaltung für $member" --keys "keys-$member" --out $member.request
    works admit --dir fed $member.request --types CD001C,CD003C --roles DEP,DES --until 2035-01-01
done
says "2 members"
LC_ALL=C works show --dir fed   # where the environment knows no UTF-8
says "Verwaltung für FR"
for key in signing curve witness last-resort archive label; do
    mode 400 keys-DE/$key.key
done
cp DE.request before
works request --member DE --name "Verwaltung für DE" --keys keys-DE --out DE.request
cmp -s before DE.request || die "a second request with the same keys differs"
refused 1 "2 to 8 characters" request --member d --name x --keys keys-x --out x.request
# the code in a request changed on the way
sed 's/DE/IT/' DE.request >forged.request
refused 1 "does not hold the signing key" admit --dir fed forged.request
refused 1 "not a request" admit --dir fed fed/authority.pub
# another member with a key that is listed
works request --member IT --name Copy --keys keys-DE --out IT.request
refused 1 "listed twice" admit --dir fed IT.request
refused 1 "not a date" admit --dir fed --until tomorrow DE.request

# --- the broker
works broker-keys --federation test --shard 2026a --keys broker --gate DE=tcp://broker:7001 --gate FR=tcp://broker:7002
mode 400 broker/log.key
works add-log --dir fed broker/broker.pub
works add-gate --dir fed broker/broker.pub
works broker-keys --federation test --shard 2026b --keys broker --gate XX=tcp://broker:7003 --out wrong.pub
grep '^log' wrong.pub >again.pub
refused 1 "a new shard needs a new one" add-log --dir fed again.pub
refused 1 "wrong.pub:2: no such member: XX" add-gate --dir fed wrong.pub
sed 's/^log 2026b/log 2026a/' again.pub >wrong.pub
refused 1 "here one of tmx.test/log/2026a is needed" add-log --dir fed wrong.pub
echo "gate DE tcp://broker:7001 short" >wrong.pub
refused 1 "not 'gate MEMBER ENDPOINT KEY'" add-gate --dir fed wrong.pub
refused 1 "no line that begins with 'log'" add-log --dir fed wrong.pub
refused 1 "write MEMBER=tcp://host:port" broker-keys --federation test --shard a --keys broker --gate DE=ipc:///x
works catalogue --dir fed "$catalogue"
refused 1 "broker.pub" catalogue --dir fed broker/broker.pub
printf 'log %s\nquorum none\n' "$(sed -n 's/^log 2026a //p' broker/broker.pub)" >policy
works policy --dir fed policy

# --- signing: each holder on a machine of their own
mkdir one three
cp fed/directory.draft fed/authority.pub one
mv fed/authority-1.key one
works sign --dir one --key one/authority-1.key --valid-days 30
says "serial 1, 1 signature, 2 needed"
refused 1 "too few valid signatures" show --authority fed/authority.pub one/directory.tmx
refused 1 "too few valid signatures" show --authority fed/authority.pub --dir one
shows one/directory.tmx
cp one/directory.draft one/authority.pub one/directory.tmx one/last-serial three
mv fed/authority-3.key three
works sign --dir three --key three/authority-3.key
says "serial 1, 2 signatures, 2 needed"
works show --authority fed/authority.pub three/directory.tmx
says "verdict     valid"
grep -q '^DE .*active.*CD001C CD003C' out || die "the member's line"
[ "$(grep -c ' valid$' out)" -ge 2 ] || die "a line for each signature"
works show --authority fed/authority.pub --json three/directory.tmx
says '"verdict": "valid"'
# its keys for other verifiers, when it is valid
works show --authority fed/authority.pub --vkeys three/directory.tmx
grep -qE '^tmx\.test/log/[a-z0-9]+\+[0-9a-f]{8}\+A[A-Za-z0-9+/]{43}$' out || die "the key of the log"
grep -qE '^tmx\.test/node/DE\+[0-9a-f]{8}\+A[A-Za-z0-9+/]{43}$' out || die "the signing key of DE"
grep -qE '^tmx\.test/witness/DE\+[0-9a-f]{8}\+B[A-Za-z0-9+/]{43}$' out || die "the witness key of DE"
[ "$(grep -vcE '^tmx\.test/(log|node|witness)/' out)" -eq 0 ] || die "something else than keys"
refused 1 "too few valid signatures" show --authority fed/authority.pub --vkeys one/directory.tmx
[ ! -s out ] || die "keys nobody vouches for"
refused 1 "--vkeys needs --authority" show --vkeys three/directory.tmx
refused 1 "exclude each other" show --vkeys --json --authority fed/authority.pub three/directory.tmx
# signing again with the same key changes nothing
works sign --dir three --key three/authority-3.key
says "2 signatures"
cp three/directory.tmx three/last-serial fed
cp fed/directory.tmx first.tmx

# --- keys that must not sign
works init --federation test --keys 1 --threshold 1 stranger
refused 1 "not a key of this federation" sign --dir three --key stranger/authority-1.key
refused 1 "needed here" sign --dir three --key keys-DE/signing.key
chmod 440 three/authority-3.key
refused 1 "chmod 0400" sign --dir three --key three/authority-3.key
chmod 400 three/authority-3.key
cp one/authority-1.key three/authority-3.key fed

# --- a byte of the directory changed
size=$(stat -c %s first.tmx)
cp first.tmx bent.tmx
byte=$(od -An -tu1 -j $((size / 2)) -N 1 bent.tmx)
printf "\\$(printf %o $(((byte + 1) % 256)))" | dd of=bent.tmx bs=1 seek=$((size / 2)) conv=notrunc status=none
"$tool" show --authority fed/authority.pub bent.tmx >out 2>err && die "a bent directory is valid"

# --- suspend, reinstate, revoke; serials
works show --dir fed
shows fed/directory.tmx
works suspend --dir fed DE
says "serial 2"
works show --dir fed
shows 'fed/directory.draft \(not signed yet\)'
grep -q '^DE .*suspended' out || die "the draft's member"
works show --dir fed --json
says '"file": "fed/directory.draft"'
refused 1 "not signed yet: sign it, or" show --dir fed --authority fed/authority.pub
works show fed/directory.tmx
shows fed/directory.tmx
refused 1 "only an active member" suspend --dir fed DE
refused 1 "did you mean DE" suspend --dir fed DD
works sign --dir fed --key fed/authority-1.key --key fed/authority-3.key
works show --dir fed --authority fed/authority.pub --in-force first.tmx
grep -q '^DE .*suspended' out || die "suspended"
cp fed/directory.tmx second.tmx
refused 1 "its serial is lower" show --authority fed/authority.pub --in-force second.tmx first.tmx
refused 1 "needs --authority" show --in-force second.tmx first.tmx
works reinstate --dir fed DE
key=$(works show fed/directory.draft && awk '$1 == "FR" && /active/ { print $(NF - 3) }' out)
works revoke --dir fed --key "$key" --compromised-since 2026a:77 FR
refused 1 "no key of this id" revoke --dir fed --key 00000000 FR
refused 1 "write SHARD:INDEX" revoke --dir fed --compromised-since 77 FR
works show fed/directory.draft
says "not signed yet"
says "$key(revoked)"
works revoke --dir fed FR
refused 1 "admitted again with new keys" reinstate --dir fed FR
refused 1 "needs new ones" admit --dir fed FR.request
works request --member FR --name "Verwaltung für FR" --keys keys-FR-new --out FR.request
works admit --dir fed FR.request
works sign --dir fed --key fed/authority-1.key --key fed/authority-3.key
says "serial 3"
works show --dir fed --authority fed/authority.pub --in-force second.tmx
grep -q '^FR .*active.*(revoked)' out || die "the new key beside the revoked one"
# the same serial with other content
cp fed/directory.tmx third.tmx
works suspend --dir fed DE
echo 2 >fed/last-serial
works reinstate --dir fed DE
works suspend --dir fed DE
refused 1 "holds serial 3 with other content" sign --dir fed --key fed/authority-1.key
works sign --dir fed --key fed/authority-1.key --key fed/authority-3.key --out twin.tmx
refused 1 "the same with other content" show --authority fed/authority.pub --in-force third.tmx twin.tmx
works reinstate --dir fed DE

# --- a change of the authority's keys: two of the old and two of the new
works init --federation test --keys 2 --threshold 2 next
works authority --dir fed next/authority.pub
works sign --dir fed --key fed/authority-1.key --key fed/authority-3.key
refused 1 "too few valid signatures" show --dir fed --authority fed/authority.pub
works sign --dir fed --key next/authority-1.key --key next/authority-2.key
works show --dir fed --authority fed/authority.pub --in-force third.tmx
cp fed/directory.tmx fourth.tmx
works show --dir fed
shows fed/directory.tmx
works renew --dir fed
works show --dir fed
shows 'fed/directory.draft \(not signed yet\)'
works sign --dir fed --key next/authority-1.key --key next/authority-2.key
refused 1 "too few valid signatures" show --dir fed --authority fed/authority.pub
works show --dir fed --authority fed/authority.pub --in-force fourth.tmx
works show --dir fed --authority next/authority.pub

# --- usage
refused 64 "a command is missing"
refused 64 "did you mean 'show'" shwo
refused 64 "REQUEST is missing" admit
refused 64 "--key FILE is missing" sign
refused 64 "is too much" suspend DE FR
refused 64 "a number from 1 to 16" init --federation a --keys 0 --threshold 1 x
refused 1 "run 'tmx-authority init' first" suspend --dir nowhere DE
refused 1 "run 'tmx-authority init' first" show --dir nowhere
mkdir copy
cp fed/directory.tmx copy
works show --dir copy
shows copy/directory.tmx
works --help
says "Exit status"
works --version
echo "the ceremony holds"
