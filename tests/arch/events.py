#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every event a daemon can log stands in its manual page, and nothing else does."""
import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parents[2]
FILES = ('conf', 'json', 'sock', 'key', 'tmp')   # names of files have the form of an event, too
bad = 0
for daemon in ('broker', 'node'):
    known = set()
    for source in [*top.glob(f'{daemon}/*.c'), *top.glob(f'{daemon}/core/*.c'), top / 'lib/io/zap_log.c', top / 'lib/io/answer.c', top / 'lib/io/startup.c']:
        literals = re.findall(r'"([a-z]+\.[a-z][a-z-]+)"', source.read_text())
        known |= {e for e in literals if e.split('.')[1] not in FILES}
    page = (top / f'deploy/man/tmx-{daemon}.8').read_text()
    items = '\n'.join(re.findall(r'^\.It (.*\..*)$', page.split('These are the events')[1].split('.Sh')[0], re.M))
    told = set(re.findall(r'[a-z]+\.[a-z][a-z-]+', items))
    for event in sorted(known ^ told):
        print(f'tmx-{daemon}.8: {event} ' + ('is missing' if event in known else 'is no event of the daemon'))
        bad += 1
sys.exit(bad > 0)
