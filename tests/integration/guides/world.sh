#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A machine of its own for one guide: world.sh SOURCE BUILD COMMAND… runs the command as root in namespaces for mounts, processes
# and network, where /etc and /var are copies on write, /run, /srv, /home and /usr/local are empty, and the source is
# /usr/src/tmx. Nothing of it stays on the real machine.
set -euo pipefail
if [ "${1:-}" != --inside ]; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    exec "${as_root[@]}" unshare --mount --pid --net --uts --fork --mount-proc --kill-child "$0" --inside "$@"
fi
source=$2 build=$3
shift 3
hostname guide
ip link set lo up
layers=/mnt
mount -t tmpfs tmpfs $layers
for d in etc var; do
    mkdir $layers/$d $layers/$d.work
    mount -t overlay overlay -o "lowerdir=/$d,upperdir=$layers/$d,workdir=$layers/$d.work" /$d
done
mkdir $layers/source $layers/build
mount --bind "$source" $layers/source
mount --bind "$build" $layers/build    # the source may be below what is covered now
for d in run srv home usr/local usr/src; do
    mount -t tmpfs -o mode=0755 tmpfs /$d
done
mkdir /usr/src/tmx /home/guide
mount --bind $layers/source /usr/src/tmx
mount --bind $layers/build /usr/src/tmx/build/plain
export HOME=/home/guide LC_ALL=C.UTF-8 NO_COLOR=1
export PATH=/usr/src/tmx/tests/integration/guides/stand-ins:/usr/local/bin:/usr/local/sbin:/usr/bin:/bin:/usr/sbin:/sbin
umask 022
exec "$@"
