#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The product broken in known ways, one after the other; some suite must notice each: tests/hunts/mutants.sh [NAME...]
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
exec /usr/bin/python3 "$top/tests/mutants/run.py" "$@"
