#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 50,000 crash images of a spool under load, crashes during recovery included.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
TMX_BUILD=$top/build/plain "$top/tests/crash/run" 50000
