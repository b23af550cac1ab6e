#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page of the metrics against their table: metrics.py PAGE PRINT-METRICS

Every metric is in the page, under its name, with its meaning in the words of the table; and no other one is."""
import re
import subprocess
import sys

page, program = sys.argv[1:]
table = {}
for line in subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
    name, _, meaning = line.split('\t')
    table[name] = meaning

told = {}
with open(page, encoding='utf-8') as f:
    for names, meaning in re.findall(r'^\.It Li (tmx_.*)\n((?:[^.].*\n)+)', f.read(), re.M):
        for name in names.split(' , '):
            told[name] = ' '.join(meaning.split())

wrong = [f'{name} is ' + ('missing' if name in table else 'no metric') for name in sorted(table.keys() ^ told.keys())]
wrong += [f'{name} means "{table[name]}", not "{told[name]}"' for name in table if name in told and table[name] != told[name]]
wrong += subprocess.run(['mandoc', '-Tlint', '-W', 'warning', page], stdout=subprocess.PIPE, text=True).stdout.splitlines()
print('\n'.join(wrong) or f'{len(table)} metrics are in the page')
sys.exit(bool(wrong))
