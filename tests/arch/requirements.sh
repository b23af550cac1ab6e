#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every numbered requirement of proto/README.md is named by a test. Lists those that are not.
set -euo pipefail
cd "$(dirname "$0")/../.."
numbers=$(grep -oE '^- \*\*[A-Z]+-[0-9]+\*\*' proto/README.md | grep -oE '[A-Z]+-[0-9]+' | sort -uV)
# Ranges like TRA-1..4 and lists like "LOG-1, LOG-2" both count.
tests=$(git -c safe.directory='*' ls-files tests | grep -vE '^tests/arch/requirements|/corpus/' | xargs cat 2>/dev/null)
named=$(grep -oE '\b[A-Z]+-[0-9]+(\.\.[0-9]+)?' <<<"$tests" | sort -u | awk -F'[-.]+' '
    NF == 2 { print $1 "-" $2 }
    NF == 3 { for (i = $2; i <= $3; i++) print $1 "-" i }' | sort -u)
missing=$(comm -23 <(sort -u <<<"$numbers") <(sort -u <<<"$named"))
count=$(wc -l <<<"$numbers")
if [ -n "$missing" ]; then
    echo "requirements no test names: $(tr '\n' ' ' <<<"$missing")"
    exit 1
fi
echo "all $count requirements are named by tests"
