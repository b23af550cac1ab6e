#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 50,000 crash images, crashes during recovery included: 20,000 of a spool, 30,000 of a broker and a node under load, in
# ten federations: tests/hunts/crash-images.sh [FEDERATIONS]
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
TMX_BUILD=$top/build/plain "$top/tests/crash/run" 20000
for seed in $(seq 1 "${1:-10}"); do
    /usr/bin/python3 "$top/tests/crash/daemons.py" "$top/build/plain" 3000 "$seed"
done
