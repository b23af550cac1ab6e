#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# units.sh UNIT: a unit that systemd reads without complaint and rates as well confined.
set -eu
command -v systemd-analyze >/dev/null || { echo "systemd-analyze is missing"; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Programs and manual pages are not installed in a build tree.
sed -e 's,^ExecStart=[^ ]*,ExecStart=/bin/true,' -e '/^Documentation=/d' "$1" >"$folder/$(basename "$1" | sed 's/@\./@DE./')"
complaints=$(systemd-analyze verify "$folder"/* 2>&1) || { echo "$complaints"; exit 1; }
[ -z "$complaints" ] || { echo "$complaints"; exit 1; }
grep -q '^RestartPreventExitStatus=.*\b74\b' "$1" || { echo "$1: would restart after a storage error (exit 74)"; exit 1; }
rating=$(systemd-analyze security --offline=true --threshold=15 --no-pager "$folder"/*) || { echo "$rating"; exit 1; }
echo "$rating" | tail -n 1
