#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The doctor of broker and node: each fault of a host that can be made is made, and found, with what to do. What needs root
# (namespaces, other owners, capabilities) is left out without it.
# usage: doctor.sh SOURCE BUILD
set -uo pipefail
MEMBERS=(DE IT)
# shellcheck source=tests/integration/world.sh
. "$(dirname "$0")/world.sh"
shm=$(mktemp -d /dev/shm/tmx-doctor-XXXXXX)
world_end() { [ -z "${taken:-}" ] || kill "$taken"; rm -rf "$shm"; }
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}:verify_asan_link_order=0
OTHER=$FED_BUILD/tests/integration/libother-host.so

fed_create "$root/fed" 2026a "${MEMBERS[@]}" || exit 1
B=$FED/broker/tmx-broker.conf N=$FED/DE/tmx-node.conf

doctor() {   # broker|node
    if [ "$1" = broker ]; then "$BROKER" doctor --config "$B"; else "$NODE" doctor --config "$N"; fi
}
# found CHECK SEVERITY PATTERN [WHO [COMMAND…]]: what the doctor says when it is called by COMMAND
found() {
    local check=$1 severity=$2 pattern=$3 who=${4:-broker} remedy='; do: .'
    shift 3; shift || true
    [ "$severity" != ok ] || remedy=
    "$@" doctor "$who" >"$root/said" 2>&1
    local status=$?
    grep -qE "^$severity +$check +.*$pattern.*$remedy" "$root/said" || { cat "$root/said"; fail "$check: not '$severity … $pattern'"; }
    [ "$severity" != critical ] || [ $status -eq 2 ] || fail "$check: critical, but status $status"
    [ "$severity" != warning ] || [ $status -ge 1 ] || fail "$check: a warning, but status $status"
}
limited() { local n=$1; shift; (ulimit -n "$n" && "$@"); }
other() { local fault=$1; shift; LD_PRELOAD=$OTHER OTHER_HOST=$fault "$@"; }
# confined OPTION… doctor WHO: with capabilities taken away, in namespaces …
export -f doctor
export BROKER NODE B N
confined() {
    local n=$#
    "${@:1:n-2}" bash -c 'doctor "$1"' - "${!n}"
}

started=$SECONDS
found ports ok 'DE: tcp://127.0.0.1:[0-9]* can be listened on' broker
for check in config clock entropy limits memory core disk files libraries service; do
    grep -qE "^ok +$check " "$root/said" || { cat "$root/said"; fail "nothing good about $check"; }
done
grep -qE '^[a-z]+ +sync +a synced write takes' "$root/said" || fail "nothing about synced writes"   # of a busy disk, too
found ports critical 'takes no connection: Connection refused' node

# The host's limits and time.
found limits critical 'may open 100 files, it needs 136' broker limited 100
found limits warning 'may open 1000 files' node limited 1000
found clock critical 'it is 201.*, but the directory was signed at' broker other early-clock
touch -d '1 hour' "$FED/broker/marker"
found clock critical 'it went back' broker
touch "$FED/broker/marker"
found entropy critical 'gives nothing' broker other no-entropy
found sync '(warning|critical)' 'a synced write takes [0-9]{2,}\.' broker other slow-disk
found libraries critical 'protobuf-c 1.4.0: .*CVE-2022-48468' node other old-libraries
found libraries critical 'ZeroMQ 4.3.2: .*CVE' broker other old-libraries
found libraries warning 'outside the main subgroup' broker other old-libraries

# The disk.
sed -i "s,^spool = .*,spool = $shm/spool," "$B"
found disk critical 'on tmpfs: in memory' broker
sed -i "s,^spool = .*,spool = none/spool," "$B"
found sync critical 'cannot write and sync: No such file' broker
sed -i 's,^spool = .*,spool = new,; s,^capacity = .*,capacity = 900 TiB,' "$B"
found disk critical 'are free, but 9[0-9]* MiB' broker
fed_broker_conf 2026a

# Files.
cd "$FED/broker" || exit 1
chmod 0644 keys/log.key; found files critical 'log.key: others than its owner' broker; found config critical '1 critical' broker; chmod 0400 keys/log.key
chmod 0755 spool; found files critical 'spool: others than its owner' broker; chmod 0700 spool
chmod 0777 keys; found files critical 'keys: everybody can replace' broker; chmod 0700 keys
chmod 0777 .; found files critical 'broker: everybody can replace' broker; chmod 0755 .
chmod 0666 "$B"; found files critical 'everybody can change the configuration' broker; chmod 0644 "$B"
rm -f run/x; mkdir -p run; chmod 0777 run; found files critical 'run: everybody can replace' broker; chmod 0750 run

# A port somebody else has.
port=$(doctor broker | sed -n 's/.*IT: tcp:..127.0.0.1:\([0-9]*\) can.*/\1/p')
python3 -c 'import socket, sys, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1]))); print("there", flush=True); time.sleep(60)' "$port" >"$root/taken" &
taken=$!
await grep -q there "$root/taken" || fail "the port could not be taken"
echo "http = 127.0.0.1:$port" >>"$N"
found ports critical "the status page: tcp://127.0.0.1:$port cannot be listened on" node
sed -i '/^http/d' "$N"
found ports critical "IT: .*:$port cannot be listened on: Address already in use" broker
kill $taken; wait $taken 2>/dev/null; taken=

if [ "$(id -u)" -eq 0 ]; then
    # The sanitizer's mlock does nothing.
    grep -qa __asan_init "$BROKER" || found memory warning '64 KiB cannot be locked' broker confined setpriv --bounding-set -ipc_lock prlimit --memlock=0
    # Another /run, where systemd seems to be.
    run='mount -t tmpfs none /run && mkdir -p /run/systemd/system'
    found service warning 'tmx-broker.service: there is no such unit' broker confined unshare -m bash -c "$run"' && exec "$@"' -
    run="$run && sed \"\$0\" '$FED_TOP/deploy/systemd/tmx-broker.service.in' >/run/systemd/system/tmx-broker.service"
    found service ok 'tmx-broker.service confines it' broker confined unshare -m bash -c "$run"' && exec "$@"' p
    found service warning 'lacks it: it could gain privileges' broker confined unshare -m bash -c "$run"' && exec "$@"' /^NoNew/d
    chown 1234 keys/log.key; found files critical 'belongs to user 1234' broker; chown 0 keys/log.key
fi

# While the daemon runs it is the daemon's limits and ports that are looked at.
(ulimit -n 300 && exec "$BROKER" run --config "$B" >>"$FED/broker/log" 2>&1) &
echo $! >"$FED/broker/pid"
fed_await broker $! || exit 1
up() { is broker 'all(g["state"] == "up" for g in d["gates"])' True; }
await up || fail "the gates are not up"
found limits warning 'the running daemon may open 300 files' broker
found ports ok 'IT: tcp://127.0.0.1:[0-9]* takes connections' broker
found ports ok "the broker's gate: tcp://127.0.0.1:[0-9]* takes connections" node
fed_start_node DE || exit 1
if ! grep -qa __asan_init "$BROKER"; then   # the sanitizer's mlock does nothing
    found memory ok 'the running daemon has [0-9]+ KiB locked' broker
    found memory ok 'the running daemon has [0-9]+ KiB locked' node
fi
! grep -q memory.not-locked log ../DE/log || fail "keys are not locked"
fed_stop DE
if [ "$(id -u)" -eq 0 ] && ! grep -qa __asan_init "$BROKER"; then
    setpriv --bounding-set -ipc_lock prlimit --memlock=0 "$NODE" run --config "$N" >>"$FED/DE/log" 2>&1 &
    echo $! >"$FED/DE/pid"
    fed_await DE $! || exit 1
    found memory warning 'the running daemon has locked nothing' node
    [ "$(grep -c 'event=memory.not-locked.*LimitMEMLOCK=64M' "$FED/DE/log")" -eq 1 ] || fail "the log does not say that keys are not locked"
    fed_stop DE
fi
if prlimit --pid "$(cat pid)" --core=unlimited 2>/dev/null; then   # it took the right away from itself, root may have it
    found core critical 'the running daemon may leave core files' broker
fi
fed_stop broker

"$NODE" doctor --json --config "$N" >"$root/json"
[ $? -eq 2 ] || fail "as JSON: another status"
python3 - "$root/json" <<'PY' || fail "the JSON document"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["version"] == 1 and d["program"] == "tmx-node" and d["critical"] >= 1, d
assert len(d["findings"]) == d["critical"] + d["warnings"] + d["ok"]
for f in d["findings"]:
    assert f["severity"] in ("ok", "warning", "critical") and f["says"]
    assert ("remedy" in f) == (f["severity"] != "ok"), f
PY
# A federation whose gates are on another host: an address that is not ours, and packets to it that are lost.
FED_HOST=10.9.8.7 fed_create "$root/far" 2026a "${MEMBERS[@]}" || exit 1
B=$FED/broker/tmx-broker.conf N=$FED/DE/tmx-node.conf
found ports critical 'DE: tcp://10.9.8.7:.* cannot be listened on: Cannot assign' broker
if [ "$(id -u)" -eq 0 ]; then
    found ports critical 'takes no connection: Network is unreachable' node confined unshare -n
    before=$SECONDS
    # shellcheck disable=SC2016
    found ports critical 'takes no connection: no answer in 2 s' node confined unshare -n bash -c 'ip link add va0 type veth peer name vb0 &&
        ip addr add 10.9.8.1/24 dev va0 && ip link set va0 up && ip link set vb0 up && exec "$@"' -
    grep -q 'no answer in 2 s; do: open the firewalls' "$root/said" || fail "no answer, but nothing about firewalls"
    [ $((SECONDS - before)) -le 6 ] || fail "it took $((SECONDS - before)) s"
fi

rm -f "$N"
found config critical '1 critical' node   # nothing to go on with: the host is looked at all the same
found libraries ok ZeroMQ node
say "every fault was found, in $((SECONDS - started)) s"
