# SPDX-License-Identifier: Apache-2.0
"""Every expression of the dashboard and of the alerting rules is asked of a Prometheus that scrapes real daemons, and has data.

usage: monitoring.py PROMETHEUS-URL DASHBOARD     all of them; comparisons of rules are asked with `bool`, so that what does
                                               not fire has data, too
       monitoring.py PROMETHEUS-URL --alert NAME LABEL=VALUE   waits at most 30 s until that alert is pending or firing
"""
import json
import re
import sys
import time
import urllib.parse
import urllib.request


def api(path, **parameters):
    with urllib.request.urlopen(f'{URL}/api/v1/{path}?{urllib.parse.urlencode(parameters)}', timeout=10) as answer:
        return json.load(answer)['data']


def query(expression):
    return api('query', query=expression)['result']


def of_dashboard(path):
    with open(path, encoding='utf-8') as f:
        document = json.load(f)
    for panel in document['panels']:
        for target in panel.get('targets', []):
            expression = target['expr'].replace('$__rate_interval', '1m')
            yield panel['title'], re.sub(r'\$(instance|member)', '.*', expression)


def of_rules():
    for group in api('rules')['groups']:
        for rule in group['rules']:
            assert rule['health'] != 'err', rule
            yield rule['name'], re.sub(r' (==|!=|<=|>=|<|>) ', r' \1 bool ', rule['query'])


def unanswered(expressions):
    for where, expression in expressions:
        if not query(expression):
            yield f'{where}: no data: {expression}'


def main():
    if sys.argv[2] == '--alert':
        name, label = sys.argv[3:]
        key, value = label.split('=')
        end = time.monotonic() + 30
        while not any(a['labels'].get(key) == value for a in api('alerts')['alerts'] if a['labels']['alertname'] == name):
            if time.monotonic() > end:
                return f'{name} does not fire for {label}'
            time.sleep(0.2)
        return None
    all_of_them = [*of_dashboard(sys.argv[2]), *of_rules()]
    assert len(all_of_them) > 40, len(all_of_them)
    end = time.monotonic() + 25   # some want two scrapes
    while wrong := [*unanswered(all_of_them)]:
        if time.monotonic() > end:
            return '\n'.join(wrong)
        time.sleep(0.5)
    print(f'{len(all_of_them)} expressions have data')
    return None


URL = sys.argv[1]
sys.exit(main())
