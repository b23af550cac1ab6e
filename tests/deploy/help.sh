#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What --help prints: complete lines, of which none is broken by a terminal of 80 columns, nor broken by its author and by argp, too.
# usage: help.sh PROGRAM
set -euo pipefail
said=$(COLUMNS=80 "$1" --help; echo .)
said=${said%.}
[ "${said: -1}" = $'\n' ] || { echo "its last line does not end" >&2; exit 1; }
awk 'length > 79 { print length " columns: " $0; bad = 1 }
    alone != "" && $0 != "" { print "a word alone in a paragraph: " alone; bad = 1 }
    { alone = /^[^ ]+$/ && before > 60 ? $0 : ""; before = length }
    END { exit bad }' <<<"$said" >&2
