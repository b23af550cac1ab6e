# SPDX-License-Identifier: Apache-2.0
"""README and guides against the tree: guides.py BUILD.

Links lead to files and headings that are there. In tables with columns `requirements` and `tests`, every requirement is one of
proto/README.md, every test one of the build, and each test names, in its sources, one of the requirements of its row. Codes are
those of include/tmx/code.h."""
import json
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
PAGES = [TOP / 'README.md', *sorted((TOP / 'doc').glob('*.md'))]


def anchors(path):
    """As GitHub makes them of headings."""
    headings = re.findall(r'^#+ (.+)$', re.sub(r'^```.*?^```', '', path.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


def broken_links(page):
    for target, anchor in re.findall(r'\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)', page.read_text()):
        path = (page.parent / target) if target else page
        if not path.exists():
            yield f'there is no {target}'
        elif anchor and anchor not in anchors(path):
            yield f'{path.name} has no heading #{anchor}'


def rows(page):
    """Tables as lists of {column: cell}."""
    columns = None
    for line in page.read_text().splitlines():
        cells = [c.strip() for c in line.strip('|').split('|')] if line.startswith('|') else None
        if cells is None:
            columns = None
        elif columns is None:
            columns = cells
        elif not set(line) <= set('|- :'):
            yield dict(zip(columns, cells))


def wide(text):
    """Requirements that a text names, ranges like TRA-1..4 written out."""
    for name, first, last in re.findall(r'\b([A-Z]+)-(\d+)(?:\.\.(\d+))?', text):
        yield from (f'{name}-{i}' for i in range(int(first), int(last or first) + 1))


def tests_of(build):
    """Each test with the text of what it is made of: sources of its program, and files that it is given."""
    info = build / 'meson-info'
    sources = {file: [s for block in target.get('target_sources', []) for s in block.get('sources', [])]
               for target in json.loads((info / 'intro-targets.json').read_text()) for file in target['filename']}
    tests = {}
    for test in json.loads((info / 'intro-tests.json').read_text()):
        files = [f for word in test['cmd'] for f in sources.get(word, [word])]
        ours = [pathlib.Path(f) for f in files if '/tests/' in f and pathlib.Path(f).is_file()]
        # A script's folder is its library.
        ours += [p for f in ours if f.suffix == '.py' for p in f.parent.glob('tmxspec/*.py')]
        ours += [p for f in ours if f.name.startswith('fuzz-') for p in f.parent.glob('fuzz_*.c')]
        tests[test['name']] = '\n'.join(f.read_text(errors='replace') for f in ours if f.suffix in ('.c', '.py', '.sh'))
    return tests


def wrong_rows(page, known, tests):
    for row in rows(page):
        if 'requirements' not in row or 'tests' not in row:
            continue
        threat, asked, named = next(iter(row.values())), set(wide(row['requirements'])), re.findall(r'`([^`]+)`', row['tests'])
        yield from (f'{threat}: there is no {r}' for r in sorted(asked - known))
        yield from (f'{threat}: there is no test {t}' for t in named if t not in tests)
        if not named:
            yield f'{threat}: no test'
        yield from (f'{threat}: test {t} names none of {", ".join(sorted(asked))}' for t in named
                    if asked and t in tests and not asked & set(wide(tests[t])))


def wrong_codes(page):
    codes = dict(re.findall(r'X\((\d+), \w+, "([a-z-]+)"', (TOP / 'include/tmx/code.h').read_text()))
    for name, number in re.findall(r'`([a-z-]+)` (\d{3})\b', page.read_text()):
        if codes.get(number) != name:
            yield f'{name} is not {number}'


def main():
    known = set(re.findall(r'^- \*\*([A-Z]+-\d+)\*\*', (TOP / 'proto/README.md').read_text(), re.M))
    tests = tests_of(pathlib.Path(sys.argv[1]))
    wrong = [f'{page.name}: {w}' for page in PAGES
             for w in [*broken_links(page), *wrong_rows(page, known, tests), *wrong_codes(page)]]
    print(*wrong, sep='\n', end='\n' if wrong else '')
    return 1 if wrong else 0


sys.exit(main())
