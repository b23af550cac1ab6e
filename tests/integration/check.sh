#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What --check finds in a configuration and in what it names: each fault made for real, all of them said at once, each with
# the line that names it; and --show-config, which reads back as the same.
# usage: check.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"

mkdir -p "$root/out"
fed_create "$root/fed" 2026a "${MEMBERS[@]}" || exit 1
B=$FED/broker/tmx-broker.conf N=$FED/DE/tmx-node.conf

# check broker|node STATUS: its output is in $root/said
check() {
    local program=$BROKER conf=$B
    [ "$1" = broker ] || program=$NODE conf=$N
    timeout 20 "$program" --check --config "$conf" >"$root/said" 2>&1
    local status=$?
    [ $status -eq "$2" ] || { cat "$root/said"; fail "$1 --check: status $status, not $2 ($3)"; }
}
line_of() { grep -n "^$2 *=" "$1" | cut -d: -f1; }
# said CONF KEY PATTERN: a line about the line that sets this key
said() {
    grep -qE "^$(sed 's/[.+]/\\&/g' <<<"$1"):$(line_of "$1" "$2"): (critical|warning): $2: .*$3.*; do: ." "$root/said" ||
        { cat "$root/said"; fail "nothing about $2 that says '$3'"; }
}
# broken WHO CONF KEY STATUS PATTERN UNDO COMMAND…: does it, looks, undoes it
broken() {
    local who=$1 conf=$2 key=$3 status=$4 pattern=$5 undo=$6
    shift 6
    eval "$*" || fail "could not do: $*"
    check "$who" "$status" "$*"
    said "$conf" "$key" "$pattern"
    eval "$undo" || fail "could not undo: $undo"
}

check broker 0 "as it was made" && check node 0 "as it was made"
[ "$(tail -n 1 "$root/said")" = "configuration is good" ] || fail "it is good, but does not say so"

files() { find "$FED" -type f ! -name 'tmx-*.conf' -printf '%p %T@ %s\n' | sort; }
before=$(files)
cd "$FED" || exit 1
broken broker "$B" authority 2 'No such file' 'mv away authority.pub' 'mv authority.pub away'
broken broker "$B" authority 2 'not a file of authority keys' 'mv away authority.pub' 'mv authority.pub away; echo hello >authority.pub'
broken broker "$B" directory 2 'valid signatures|malformed|cannot|not ' 'mv away directory.tmx' 'mv directory.tmx away; head -c 300 away >directory.tmx'
broken broker "$B" keys 2 'lets others at the private key' 'chmod 0400 broker/keys/log.key' 'chmod 0444 broker/keys/log.key'
broken broker "$B" keys 2 'gate-IT.key: cannot open' 'mv away broker/keys/gate-IT.key' 'mv broker/keys/gate-IT.key away'
broken broker "$B" keys 2 'gate-IT.key is not the key the directory lists' 'mv -f away broker/keys/gate-IT.key' \
    'cp -p broker/keys/gate-IT.key away; cp -pf broker/keys/gate-DE.key broker/keys/gate-IT.key'
broken broker "$B" keys 2 'put their keys in place' 'chmod 0700 broker/keys' 'chmod 0777 broker/keys'
broken broker "$B" shard 2 "lists no log '2027z'" "sed -i s/2027z/2026a/ '$B'" "sed -i s/2026a/2027z/ '$B'"
broken broker "$B" spool 2 'missing, but its marker' 'mv away broker/spool' 'mv broker/spool away'
broken broker "$B" spool 1 'there is no spool yet' 'mv away broker/spool; mv away2 broker/marker' 'mv broker/spool away; mv broker/marker away2'
broken broker "$B" spool 2 'spool of a node, not of a broker' 'rm -rf broker/spool; mv away broker/spool' 'mv broker/spool away; cp -rp DE/spool broker/spool'
broken broker "$B" spool 2 'damaged' 'rm -rf broker/spool; mv away broker/spool' 'cp -rp broker/spool away; truncate -s 9000 broker/spool/data.mdb'
broken broker "$B" spool 1 'mode 0755' 'chmod 0700 broker/spool' 'chmod 0755 broker/spool'
broken broker "$B" marker 2 'missing, but there is a spool' 'mv away broker/marker' 'mv broker/marker away'
broken broker "$B" marker 2 'not a marker' 'mv away broker/marker' 'mv broker/marker away; echo x >broker/marker'
broken broker "$B" marker 2 'inside the spool' "sed -i 's,^marker = .*,marker = marker,' '$B'" "sed -i 's,^marker = .*,marker = spool/marker,' '$B'"
broken broker "$B" run 2 'would be longer' "sed -i 's,^run = .*,run = run,' '$B'" "sed -i 's,^run = .*,run = /run/$(printf 'x%.0s' {1..100}),' '$B'"
broken broker "$B" run 2 'anybody could answer' 'chmod 0750 broker/run' 'mkdir -p broker/run; chmod 0777 broker/run'
broken broker "$B" operators 2 'are set together' "sed -i '/^operators/d' '$B'" "echo 'operators = none' >>'$B'"
broken broker "$B" http 2 'not a loopback address' "sed -i '/^http/d' '$B'" "echo 'http = 0.0.0.0:9570' >>'$B'"
broken node "$N" member 2 'lists no member FR' "sed -i 's/^member = FR/member = DE/' '$N'" "sed -i 's/^member = DE/member = FR/' '$N'"
broken node "$N" keys 2 "signing.key is not among" 'mv -f away DE/keys/signing.key' 'cp -p DE/keys/signing.key away; cp -pf IT/keys/signing.key DE/keys/signing.key'
broken node "$N" keys 2 "another purpose" 'mv -f away DE/keys/curve.key' 'cp -p DE/keys/curve.key away; cp -pf DE/keys/label.key DE/keys/curve.key'
broken node "$N" keys 1 'no witness.key' 'mv -f away DE/keys/witness.key' 'mv DE/keys/witness.key away'
broken node "$N" catalogue 2 ':2: ' "sed -i 's,^catalogue = .*,catalogue = $FED_TOP/proto/catalogue-ncts-p5.conf,' '$N'" \
    "printf '# fine\nnonsense\n' >DE/cat; sed -i 's,^catalogue = .*,catalogue = cat,' '$N'"
broken node "$N" endpoint 2 'no socket file' "sed -i 's,^endpoint = .*,endpoint = ipc://$FED_SOCKETS/DE,' '$N'" "sed -i 's,^endpoint = .*,endpoint = tcp://1.2.3.4:5,' '$N'"
broken node "$N" endpoint 2 'No such file' "sed -i 's,^endpoint = .*,endpoint = ipc://$FED_SOCKETS/DE,' '$N'" "sed -i 's,^endpoint = .*,endpoint = ipc:///tmp/none here/x,' '$N'"
broken node "$N" listen 1 'no application may connect' "sed -i '/^listen/d' '$N'" "echo 'listen = tcp://127.0.0.1:1' >>'$N'"
if [ "$(id -u)" -eq 0 ]; then
    broken broker "$B" keys 2 'belongs to user 1234, the spool to user 0' 'chown 0 broker/keys/log.key' 'chown 1234 broker/keys/log.key'
fi
rm -rf away away2 DE/cat

# All at once, and what is right in a file with wrong lines is looked at, too.
cp "$B" "$root/kept"
printf 'retntion = 3 d\nqueue_max = many\n' >>"$B"
mv authority.pub away; chmod 0440 broker/keys/log.key
check broker 2 "several faults"
grep -q "did you mean 'retention'" "$root/said" && grep -q "queue_max = 'many': must be a number" "$root/said" || fail "the lines are not complained of"
said "$B" authority 'No such file'; said "$B" keys 'mode 0440'
[ "$(tail -n 1 "$root/said")" = "4 critical, 0 warnings, $(tail -n 1 "$root/said" | grep -o '[0-9]* ok')" ] || { cat "$root/said"; fail "the counts"; }
mv away authority.pub; chmod 0400 broker/keys/log.key; cp "$root/kept" "$B"

# What is in effect, read back.
for who in broker node; do
    program=$BROKER conf=$B
    [ $who = broker ] || { program=$NODE; conf=$N; printf '[application NTA]\nkey = %s\n' "$(head -c 32 /dev/zero | base64)" >>"$N"; }
    "$program" --show-config --config "$conf" >"$root/shown.conf" || fail "$who --show-config"
    "$program" --show-config --config "$root/shown.conf" >"$root/again.conf" || { cat "$root/shown.conf"; fail "what $who shows cannot be read"; }
    diff <(grep -v '^#' "$root/shown.conf") <(grep -v '^#' "$root/again.conf") || fail "what $who shows reads as something else"
    grep -qxF "# $conf:$(line_of "$conf" spool)" "$root/shown.conf" || fail "$who: where spool is from"
    grep -A1 '^# default$' "$root/shown.conf" | grep -q '^retention = ' || fail "$who: retention is by default"
    for key in "$FED"/*/keys/*.key; do
        secret=$(sed -n 's/^secret //p' "$key")
        ! grep -qF "$secret" "$root/shown.conf" || fail "$who shows a secret"
    done
done
sed -i '/^\[application/,$d' "$N"

[ "$before" = "$(files)" ] || fail "looking changed a file"

# A running daemon's spool is left alone: whoever owns it, it is not looked into, be it as it may.
cp -rp broker/spool away
truncate -s 9000 broker/spool/data.mdb
check broker 2 "damaged, and nobody's"
touch broker/spool/owner.lock
flock broker/spool/owner.lock "$BROKER" --check --config "$B" >"$root/said" || { cat "$root/said"; fail "a spool in use was looked into"; }
rm -rf broker/spool; mv away broker/spool
fed_start_broker || exit 1
check broker 0 "while it runs"
fed_stop broker
say "every fault was found"
