#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever operators are told is wrong, a test with real daemons and a real fault makes them tell it.

- every cause of `why`: a script calls `cause broker WORD 'CODE …'`, or `cause MEMBER …` for one of a node;
- every question of `check`, as warning and as critical, where it can be either: a pattern `TMX QUESTION WARNING` or `… CRITICAL`;
- every problem of a status: a pattern with three words of its text that no other problem has.

Scripts are those that meson runs in the suites of processes: tests/integration and tests/evil."""
import collections
import itertools
import pathlib
import re
import shlex
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = [p for folder in ('integration', 'evil') for p in sorted((TOP / 'tests' / folder).glob('*')) if p.suffix in ('.sh', '.py')]


def code_of(script):
    """Without comments, and what is said of a failure: they make nothing."""
    text = '\n'.join(line for line in script.read_text().splitlines() if not line.lstrip().startswith('#'))
    return re.sub(r'\bfail "[^"\n]*"', 'fail', text)


def causes():
    """(daemon, code) of each rule, and of what is told without one."""
    for daemon in ('broker', 'node'):
        for source in sorted((TOP / daemon / 'why').glob('*.c')):
            text = source.read_text()
            yield from ((daemon, code) for code in re.findall(r'^    \{ "([a-z-]+)", \w+ \},$', text, re.M))
            yield from ((daemon, code) for code in re.findall(r'"code", "([a-z-]+)", "severity"', text))


def causes_made(texts):
    """What `cause NAME WORD 'CODE…'` of a shell script, or `world.causes` of one in Python, asks for; $NAME is the one or the other."""
    for text in texts:
        for match in re.finditer(r'(?:^|[ ;])cause (?=["\w$])', text, re.M):
            lexer = shlex.shlex(text[match.end():].split('\n')[0], posix=True)
            lexer.whitespace_split = True
            name, _, codes = itertools.islice(lexer, 3)
            for code in re.findall('[a-z-]+', codes):
                yield from ((daemon, code) for daemon in ('broker', 'node') if name.startswith('$') or (name == 'broker') == (daemon == 'broker'))
        yield from (('broker', code) for code in re.findall(r"world\.causes\(.*\) == \['([a-z-]+)'\]", text))


def questions():
    source = (TOP / 'broker/ctl/check_facts.c').read_text()
    bodies = dict(re.findall(r'^static void (\w+)\(const json_t \*s,.*?\n\{(.*?)^\}', source, re.M | re.S))
    for name, function in re.findall(r'\{ "(\w+)", "\w+", (\w+) \}', source):
        yield from ((name.upper(), level) for level in ('WARNING', 'CRITICAL') if f'EXIT_{level}' in bodies[function])


def words_of(text):
    return re.findall(r"[\w'.-]+", text.lower())


def phrases_of(text):
    """Three words in a row, or all that are between what is filled in."""
    runs = [words_of(run) for run in re.split(r'%[.*\d]*[a-z]', text)]
    return {' '.join(run[i:i + 3]) for run in runs if len(run) > 1 for i in range(max(1, len(run) - 2))}


STRING = r'(?:"((?:[^"\\\n]|\\.)*)"\s*)'


def problems():
    """Texts of problems: of each call the string behind severity and command, or both strings of a choice."""
    call = re.compile(r'tmx_answer_problem(?:_see)?\(\w+, "\w+",\s*(?:"[^"]*"|\w+),\s*(?:[\w.]+ \? )?(' + STRING + '+)(?:: (' + STRING + '+))?')
    for source in [*sorted(TOP.glob('lib/io/answer*.c')), *sorted(TOP.glob('broker/control/*.c')), *sorted(TOP.glob('node/control/*.c'))]:
        text = source.read_text()
        calls = list(call.finditer(text))
        assert len(calls) == len(re.findall(r'tmx_answer_problem(?:_see)?\(\w+, "', text)), f'{source}: a call is not understood'
        for match in calls:
            told = [''.join(re.findall(STRING, part)) for part in (match[1], match[3]) if part]
            # What is put together before it is told: each of its texts.
            yield from told if told != ['%s'] else [''.join(re.findall(STRING, part)) for part in
                                                    re.findall(r'snprintf\(text, sizeof\(text\),\s*((?:"[^"]*"\s*)+)', text)]


def main():
    texts = [code_of(s) for s in SCRIPTS]
    made = set(causes_made(texts))
    missing = [f'why at a {daemon}: {code}' for daemon, code in causes() if (daemon, code) not in made]
    whole = '\n'.join(texts)
    missing += [f'check {name.lower()}: {level.lower()}' for name, level in questions() if f'TMX {name} {level}' not in whole]
    told = sorted(set(problems()))
    count = collections.Counter(phrase for text in told for phrase in phrases_of(text))
    said = ' | '.join(' '.join(words_of(''.join(strings))) for strings in re.findall(r"'([^'\n]*)'|\"([^\"\n]*)\"", whole))
    missing += [f'status: {text}' for text in told if not any(count[p] == 1 and re.search(rf'\b{re.escape(p)}\b', said) for p in phrases_of(text))]
    print(len(set(causes())), 'causes,', len(set(questions())), 'answers of checks,', len(told), 'problems')
    for line in missing:
        print('no real fault makes', line)
    return len(missing) > 0


sys.exit(main())
