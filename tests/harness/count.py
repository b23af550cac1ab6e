#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the cases of a meson run: count.py testlog.junit.xml STATUS -> "PASSED FAILED".

Skipped cases count as failed. A run that failed without a failed case, or ran nothing, counts as one failure.
"""
import sys
import xml.etree.ElementTree as ET

passed = failed = 0
try:
    for case in ET.parse(sys.argv[1]).iter('testcase'):
        if any(case.find(kind) is not None for kind in ('failure', 'error', 'skipped')):
            failed += 1
        else:
            passed += 1
except (OSError, ET.ParseError) as e:
    print(f'count: {e}', file=sys.stderr)
if failed == 0 and (sys.argv[2] != '0' or passed == 0):
    failed = 1
print(passed, failed)
