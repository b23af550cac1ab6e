#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The status page as strings of a C source (page.h): embed.py OUTPUT page.html page.css page.js

Style and script take their places in the page; the policy allows these two by their digests, and nothing else."""
import base64
import hashlib
import pathlib
import sys

output = pathlib.Path(sys.argv[1])
page, style, script = (pathlib.Path(a).read_text(encoding='utf-8') for a in sys.argv[2:])


def digest(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def literal(text):
    """One string a line, ASCII: other bytes as three octal digits."""
    escaped = ''.join(f'\\{b:03o}' if b > 126 or b in b'\\"?' else chr(b) for b in text.encode() if b != 10)
    return f'    "{escaped}\\n"'


assert page.count('@STYLE@') == 1 and page.count('@SCRIPT@') == 1 and '</s' not in style + script
whole = page.replace('@STYLE@', style).replace('@SCRIPT@', script)
policy = (f"default-src 'none'; style-src {digest(style)}; script-src {digest(script)}; connect-src 'self'; "
          "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
output.write_text('\n'.join(['/* Made by lib/io/page/embed.py. */', 'extern const char tmx_page[], tmx_page_policy[];', 'const char tmx_page[] =',
                             *map(literal, whole.splitlines()), '    ;',
                             f'const char tmx_page_policy[] = "{policy}";']) + '\n', encoding='ascii')
