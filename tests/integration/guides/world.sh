#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A machine of its own for one guide: world.sh SOURCE COMMAND… runs the command as root in namespaces for mounts, processes and
# network, where /etc, /var and the source, at /usr/src/tmx, are copies on write, and /run, /srv, /home and /usr/local are empty.
# Nothing of it stays on the real machine.
set -euo pipefail
if [ "${1:-}" != --inside ]; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    exec "${as_root[@]}" unshare --mount --pid --net --uts --fork --mount-proc --kill-child "$0" --inside "$@"
fi
source=$2
shift 2
hostname guide
ip link set lo up
layers=/mnt
mount -t tmpfs tmpfs $layers
copy_on_write() {   # copy_on_write FOLDER WHERE
    local own=$layers/${2//\//-}
    mkdir "$own" "$own.work"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$own,workdir=$own.work" "$2"
}
copy_on_write /etc /etc
copy_on_write /var /var
mkdir $layers/source
mount --bind "$source" $layers/source   # it may be below what is covered now
for d in run srv home usr/local usr/src; do
    mount -t tmpfs -o mode=0755 tmpfs /$d
done
mkdir /usr/src/tmx /home/guide
copy_on_write $layers/source /usr/src/tmx
export HOME=/home/guide LC_ALL=C.UTF-8 NO_COLOR=1
export PATH=/usr/src/tmx/tests/integration/guides/stand-ins:/usr/local/bin:/usr/local/sbin:/usr/bin:/bin:/usr/sbin:/sbin
umask 022
exec "$@"
