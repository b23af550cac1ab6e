#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# units.sh UNIT [OTHER]: a unit that systemd reads without complaint, with others it names, and, a service, rates as well confined.
set -eu
command -v systemd-analyze >/dev/null || { echo "systemd-analyze is missing"; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Programs and manual pages are not installed in a build tree.
for unit; do
    sed -e 's,^ExecStart=[^ ]*,ExecStart=/bin/true,' -e '/^Documentation=/d' "$unit" >"$folder/$(basename "$unit" | sed 's/@\./@DE./')"
done
complaints=$(systemd-analyze verify "$folder"/* 2>&1) || { echo "$complaints"; exit 1; }
[ -z "$complaints" ] || { echo "$complaints"; exit 1; }
case $1 in *.timer) exit 0 ;; esac
! grep -q '^Restart=' "$1" || grep -q '^RestartPreventExitStatus=.*\b74\b' "$1" || { echo "$1: would restart after a storage error (exit 74)"; exit 1; }
rating=$(systemd-analyze security --offline=true --threshold=15 --no-pager "$folder"/*) || { echo "$rating"; exit 1; }
echo "$rating" | tail -n 1
