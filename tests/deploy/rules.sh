#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# rules.sh SOURCE TMXCTL: the alerting rules with cases for each (tests/deploy/tmx.rules.test.yml), by Prometheus' own promtool;
# every alert has a case, and names a command that there is.
set -euo pipefail
top=$1 ctl=$2
promtool=$("$top/tests/harness/prometheus.sh")/promtool
rules=$top/deploy/prometheus/tmx.rules.yml
"$promtool" check rules "$rules"
"$promtool" test rules "$top/tests/deploy/tmx.rules.test.yml"
status=0
for alert in $(sed -n 's/^ *- alert: //p' "$rules"); do
    fires=$(grep -c "alertname: $alert\$" "$top/tests/deploy/tmx.rules.test.yml" || true)
    [ "$fires" -gt 0 ] || { echo "$alert has no case"; status=1; }
done
help=$("$ctl" --help)
while read -r program command _; do
    case $program in
    tmxctl) grep -qE "^ *$command\b" <<<"$help" || { echo "tmxctl $command is no command"; status=1; } ;;
    tmx | systemctl | journalctl) ;;
    *) echo "$program is no program"; status=1 ;;
    esac
done < <(sed -n 's/^ *command: //p' "$rules" | sed 's/{{[^}]*}}//g; s/--node [^ ]* *//; s/"//g')
exit $status
