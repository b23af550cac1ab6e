#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints the folder of prometheus and promtool: where they are installed or, below build/, the files of Debian's package alone,
# since to install it would start a service on this machine. With --fetch these are fetched when they are missing.
set -euo pipefail
if command -v prometheus promtool >/dev/null; then
    dirname "$(command -v promtool)"
    exit
fi
folder=$(cd "$(dirname "$0")/../.." && pwd)/build/prometheus
if [ ! -x "$folder/usr/bin/promtool" ]; then
    [ "${1:-}" = --fetch ] || { echo "prometheus is missing: deploy/packages --tests" >&2; exit 1; }
    echo "fetching: prometheus" >&2
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    mkdir -p "$folder"
    cd "$folder"
    apt-get download prometheus >log 2>&1 || { "${as_root[@]}" apt-get update && apt-get download prometheus; } >log 2>&1 ||
        { tail -n 20 log >&2; exit 1; }
    dpkg-deb -x prometheus_*.deb .
    rm prometheus_*.deb log
fi
echo "$folder/usr/bin"
