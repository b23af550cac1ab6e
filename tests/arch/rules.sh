#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# House rules that a search can check, over the files git knows.
set -euo pipefail
cd "$(dirname "$0")/../.."
status=0
complain() { echo "$1"; sed 's/^/  /'; status=1; }
found() { [ -z "$1" ] || complain "$2" <<<"$1"; }

product=$(git ls-files 'lib/*.c' 'lib/*.h' 'broker/*.c' 'broker/*.h' 'node/*.c' 'node/*.h' 'include/*.h')
found "$(grep -nE '\b(sprintf|strcpy|strcat|gets|strtok|atoi|atol|alloca|vsprintf)\s*\(' $product || true)" "banned calls:"
found "$(grep -nEi '\b(todo|fixme|xxx|hack)\b' $product $(git ls-files 'tests/*.c' 'tests/*.py' 'deploy/*' 'proto/*' '*.build') || true)" "marks left:"
found "$(grep -nE '^\s*goto ' $product | grep -vE 'goto out;' || true)" "goto other than a forward 'out':"
found "$(for f in $product; do head -n1 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f"; done)" "no licence line:"
found "$(for f in $(git ls-files '*.c' '*.h'); do n=$(wc -l <"$f"); [ "$n" -le 800 ] || echo "$f: $n lines"; done)" "files over 800 lines:"
found "$(git ls-files | cut -d/ -f1 | sort -u | grep -vxE 'broker|node|proto|include|lib|tests|deploy|meson\.build|README\.md|LICENSE|\..*' || true)" "outside the house:"
# Every source is built: a .c no meson.build names is dead.
found "$(for f in $(git ls-files 'lib/*.c' 'broker/*.c' 'node/*.c'); do grep -q "$(basename "$f")" "$(dirname "$f")/meson.build" || echo "$f"; done)" "sources no meson.build names:"
exit $status
