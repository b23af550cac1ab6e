#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 1,000 kills of each process under load (25 rounds of 40, each with its own seed), an outside checker.
#   tests/hunts/kills.sh [ROUNDS]
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
for seed in $(seq 101 $((100 + ${1:-25}))); do
    /usr/bin/python3 "$top/tests/integration/exchange.py" "$top/build/plain" 40 "$seed"
done
