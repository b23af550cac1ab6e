# SPDX-License-Identifier: Apache-2.0
"""Identifiers of the transit domain and of the exchange (ID-1..3)."""
import re

ALNUM = re.compile(r'[0-9A-Z]*')
PATTERNS = {
    'grn': re.compile(r'[0-9]{2}[A-Z]{2}[A-Z0-9]{12}[0-9]([A-Z][0-9]{6})?'),
    'office': re.compile(r'[A-Z]{2}[A-Z0-9]{6}'),
    'member': re.compile(r'[A-Z0-9]{2,8}'),
    'lrn': re.compile(r'(?! )[ -~]{1,22}(?<! )'),
    'business': re.compile(r'(?! )[ -~]{1,35}(?<! )'),
    'name': re.compile(r'[a-z0-9][a-z0-9.-]{0,63}'),
}
MRN = re.compile(r'(2[4-9]|[3-9][0-9])[A-Z]{2}[A-Z0-9]{12}[J-M][0-9]|([0-1][0-9]|2[0-4])[A-Z]{2}[A-Z0-9]{13}[0-9]')


def value(c):
    if c.isdigit():
        return int(c)
    return 10 + ord(c) - ord('A') + (c >= 'B') + (c >= 'L') + (c >= 'V')


def check_digit(text):
    """The digit that follows `text`, or None when it has none."""
    if not 1 <= len(text) <= 17 or not ALNUM.fullmatch(text):
        return None
    return sum(value(c) << i for i, c in enumerate(text)) % 11 % 10


def valid(kind, text):
    if kind == 'mrn':
        return bool(MRN.fullmatch(text)) and check_digit(text[:17]) == int(text[17])
    if not PATTERNS[kind].fullmatch(text):
        return False
    return kind != 'grn' or check_digit(text[:16]) == int(text[16])
