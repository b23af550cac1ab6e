#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files of text as strings of a C source: embed.py OUTPUT FILE…; proto/audit.proto becomes tmx_schema_audit (schema.h)."""
import pathlib
import sys

output, *files = map(pathlib.Path, sys.argv[1:])
parts = ['/* Made by broker/audit/embed.py. */']
for file in files:
    name = f'tmx_schema_{file.stem}'
    lines = [line.replace('\\', '\\\\').replace('"', '\\"') for line in file.read_text(encoding='ascii').splitlines()]
    parts += [f'extern const char {name}[];', f'const char {name}[] =', *(f'    "{line}\\n"' for line in lines), '    ;']
output.write_text('\n'.join(parts) + '\n', encoding='ascii')
