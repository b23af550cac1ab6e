#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A swarm of simulator seeds beyond those of tests/run: tests/hunts/seeds.sh [FROM [COUNT]]
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
"$top/build/plain/tests/sim/sim" "$top/proto/catalogue-ncts-p5.conf" "${1:-701}" "${2:-10000}"
