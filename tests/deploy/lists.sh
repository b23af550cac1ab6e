#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lists.sh SYSUSERS TMPFILES: both are read without complaint, and name only users and groups that they create.
set -eu
complaints=$(systemd-sysusers --dry-run "$1" 2>&1 | grep -i "$1:" || true)
[ -z "$complaints" ] || { echo "$complaints"; exit 1; }
awk 'FNR == NR { if ($1 == "u" || $1 == "g") { known[$2] = 1 } next }
     $1 == "d" { for (i = 4; i <= 5; i++) { if ($i != "root" && !($i in known)) { print FILENAME ": nobody creates " $i; bad = 1 } } }
     END { exit bad }' "$1" "$2"
