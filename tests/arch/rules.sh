#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# House rules that a search can check, over the files git knows.
set -euo pipefail
cd "$(dirname "$0")/../.."
status=0
known() { git -c safe.directory='*' ls-files "$@"; }   # whoever owns the tree: root may test a user's
complain() { echo "$1"; sed 's/^/  /'; status=1; }
found() { [ -z "$1" ] || complain "$2" <<<"$1"; }

product=$(known 'lib/*.c' 'lib/*.h' 'broker/*.c' 'broker/*.h' 'node/*.c' 'node/*.h' 'include/*.h')
found "$(grep -nE '\b(sprintf|strcpy|strcat|gets|strtok|atoi|atol|alloca|vsprintf)\s*\(' $product || true)" "banned calls:"
found "$(grep -nEi '\b(todo|fixme|xxx|hack)\b' $product $(known 'tests/*.c' 'tests/*.py' 'deploy/*' 'doc/*' 'proto/*' '*.build') || true)" "marks left:"
found "$(grep -nE '^\s*goto ' $product | grep -vE 'goto out;' || true)" "goto other than a forward 'out':"
found "$(awk 'FNR == 1 && !/SPDX-License-Identifier: Apache-2.0/ { print FILENAME }' $product)" "no licence line:"
found "$(wc -l $(known '*.c' '*.h') | awk '$1 > 800 && $2 != "total" { print $2 ": " $1 " lines" }')" "files over 800 lines:"
found "$(known | cut -d/ -f1 | sort -u | grep -vxE 'broker|node|proto|include|lib|tests|deploy|doc|meson\.build|README\.md|LICENSE|\..*' || true)" "outside the house:"
# Every source is built: a .c no meson.build names is dead.
found "$(for f in $(known 'lib/*.c' 'broker/*.c' 'node/*.c'); do [[ $(<"${f%/*}/meson.build") == *"${f##*/}"* ]] || echo "$f"; done)" "sources no meson.build names:"
# Every public header is compiled alone.
found "$(for f in $(known 'include/tmx/*.h'); do h=$(basename "$f" .h); [[ $(<tests/arch/meson.build) == *"'$h'"* ]] || echo "$f"; done)" "headers tests/arch/meson.build does not name:"
exit $status
