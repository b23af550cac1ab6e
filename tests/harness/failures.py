#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints what the failed tests of a meson run said last: failures.py testlog.json.

Of each test that did not pass, its name, how it ended and the end of its output, so that a log of many suites tells the cause
by itself. Bounded: TESTS tests, LINES lines of WIDTH characters each.
"""
import json
import sys

TESTS, LINES, WIDTH = 12, 60, 240


def end_of(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-LINES:]


def show(test):
    print(f'--- {test["name"]}: {test["result"]}, returned {test["returncode"]} after {test["duration"]:.1f} s')
    said = {what: end_of(test.get(what, '')) for what in ('stdout', 'stderr')}
    for what, lines in said.items():
        if lines and all(said.values()):
            print(f'[{what}]')
        for line in lines:
            print(line if len(line) <= WIDTH else line[:WIDTH] + '…')


with open(sys.argv[1], encoding='utf-8', errors='replace') as f:
    failed = [t for t in map(json.loads, f) if t['result'] not in ('OK', 'EXPECTEDFAIL')]
if not failed:
    sys.exit('failures: no test of these failed: meson itself did')
for t in failed[:TESTS]:
    show(t)
if len(failed) > TESTS:
    print(f'--- and {len(failed) - TESTS} more')
