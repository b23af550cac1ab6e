#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Collects what came, acknowledges what is XML, and refuses what is not: collect.sh ENDPOINT FOLDER
set -euo pipefail
export TMX_NODE=$1
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
# The files are on disk, synced, before tmx says anything of them.
tmx --json receive --wait 5 --max 16 --to "$2" | while read -r message; do
    id=$(field id <<<"$message") token=$(field token <<<"$message") file=$(field file <<<"$message")
    if [ "$(head -c 1 "$file")" = '<' ]; then
        tmx ack "$id" "$token"
    else
        tmx refuse "$id" "$token" --code 601 --reason "this is not XML"
    fi
done
