#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks the product in known ways and sees that the tests notice: run.py [NAME...], by default every mutant there is.

Each is applied to a copy of the tree in build/mutants, built there on top of the last build, and the suites it names
are run, cheapest first, until one fails. Before that those suites must pass on the unbroken copy. Exit 1: a mutant
survived, does not apply any more or does not build; 2: the unbroken tree does not build or pass.

The list (mutants.list) is made of blocks:

    mutant NAME
    breaks WHAT IT BREAKS
    caught SUITE [SUITE...]     a test of the build by its name, or SUITE/NAME where several have it, or sim:SEEDS, crash:IMAGES
                                or daemons:IMAGES
    file PATH                   and lines: what is there (once) behind "- ", what stands there then behind "+ "
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
WORK = TOP / 'build/mutants'
TREE, BUILD = WORK / 'tree', WORK / 'build'
NICE = ['nice', '-n', '10']


class Mutant:
    def __init__(self, name):
        self.name, self.breaks, self.caught, self.hunks = name, '', [], []   # hunks: [path, old, new]


class Broken(Exception):
    """The mutant says nothing: it does not apply, or does not build."""


def read_list(path):
    mutants, file = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        key, _, rest = line.partition(' ')
        if line.startswith('#') or line == '':
            fresh = True
        elif key == 'mutant':
            mutants.append(Mutant(rest))
        elif key == 'breaks':
            mutants[-1].breaks = rest
        elif key == 'caught':
            mutants[-1].caught = rest.split()
        elif key == 'file':
            file, fresh = rest, True
        elif key in ('-', '+') and file is not None:
            if fresh or (key == '-' and mutants[-1].hunks[-1][2] != ''):
                mutants[-1].hunks.append([file, '', ''])
            fresh = False
            mutants[-1].hunks[-1][1 if key == '-' else 2] += rest + '\n'
        else:
            sys.exit(f'{path}:{number}: not a line of a mutant')
    return mutants


# --- the copy ----------------------------------------------------------------------------------------------------

def copy_tree():
    """What differs is copied, so that only that is built again."""
    listed = ['git', '-C', TOP, 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    names = subprocess.run(listed, check=True, stdout=subprocess.PIPE).stdout.decode().split('\0')
    kept = set()
    for name in filter(None, names):
        source, copy = TOP / name, TREE / name
        if not source.is_file():
            continue
        kept.add(copy)
        content = source.read_bytes()
        if not copy.is_file() or copy.read_bytes() != content:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
        copy.chmod(source.stat().st_mode)
    for path in [p for p in TREE.rglob('*') if p.is_file() and p not in kept]:
        path.unlink()


def apply(mutant):
    """Returns what to write back."""
    before = {}
    for path, old, new in mutant.hunks:
        file = TREE / path
        text = file.read_text() if file.is_file() else ''
        if old == '' or text.count(old) != 1:
            restore(before)
            raise Broken(f'does not apply: {path} holds {text.count(old) if old else 0} times {old.splitlines()[:1]}')
        before.setdefault(file, text)
        file.write_text(text.replace(old, new))
    return before


def restore(before):
    for file, text in before.items():
        file.write_text(text)


# --- suites ------------------------------------------------------------------------------------------------------

class Suites:
    def __init__(self):
        if not (BUILD / 'build.ninja').is_file():
            subprocess.run(['meson', 'setup', BUILD, TREE, '-Dbuildtype=debugoptimized'], check=True,
                           stdout=subprocess.DEVNULL)
        ninja(['build.ninja'])
        intro = BUILD / 'meson-info'
        self.tests = {}
        for t in json.loads((intro / 'intro-tests.json').read_text()):
            self.tests[t['suite'][0].partition(':')[2] + '/' + t['name']] = t
            self.tests.setdefault(t['name'], t)   # of two with this name the first, which is the unit test
        self.files = {t['id']: t['filename'] for t in json.loads((intro / 'intro-targets.json').read_text())}

    def test(self, suite):
        """Command, environment, time limit and build files of a suite."""
        kind, _, n = suite.partition(':')
        name = {'sim': 'seeds-fixed', 'crash': 'crash sweep', 'daemons': 'crash sweep of the daemons'}.get(kind, kind) if n else suite
        t = self.tests.get(name)
        if t is None:
            sys.exit(f'there is no suite {suite}')
        command = list(t['cmd'])
        if n:
            command = command[:2] + ['1', n] if kind == 'sim' else command[:-1] + [n]
        files = [f for d in t['depends'] for f in self.files[d]]
        files += [command[0]] if command[0].startswith(str(BUILD)) else []
        return command, {**os.environ, **t['env']}, max(t['timeout'], 60), [os.path.relpath(f, BUILD) for f in files]

    def build(self, suite):
        ninja(self.test(suite)[3])

    def run(self, suite):
        """None when it passes, else the first thing that failed. Ends the suite there."""
        command, environment, limit, _ = self.test(suite)
        p = subprocess.Popen(NICE + command, env=environment, cwd=BUILD, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors='replace', start_new_session=True)
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(p.pid, signal.SIGKILL))
        signal.alarm(limit)
        last, failed, started = '', None, time.monotonic()
        for line in p.stdout:
            last = line.strip() or last
            found = re.match(r'not ok \d+ - (.*)|(seed \d+ failed .*)', line)
            if found:
                failed = (found[1] or found[2]).strip()
                os.killpg(p.pid, signal.SIGKILL)
                break
        p.stdout.close()
        code = p.wait()
        signal.alarm(0)
        if failed is None and code != 0:
            late = time.monotonic() - started >= limit
            failed = f'no end within {limit} s' if late else f'exit {code}: {last[:100]}'
        return failed


def ninja(targets):
    made = subprocess.run(NICE + ['ninja', '-C', BUILD] + targets, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if made.returncode != 0:
        lines = [x for x in made.stdout.splitlines() if 'error' in x or 'FAILED' in x]
        raise Broken('does not build: ' + ' | '.join(lines[:3]))


def judge(mutant, suites):
    """(caught, what to say)."""
    before = apply(mutant)
    started = time.monotonic()
    try:
        for suite in mutant.caught:
            suites.build(suite)
            failed = suites.run(suite)
            if failed is not None:
                return True, f'caught by {suite} ({failed}) in {time.monotonic() - started:.0f} s'
        return False, f'SURVIVED {" ".join(mutant.caught)} in {time.monotonic() - started:.0f} s: {mutant.breaks}'
    finally:
        restore(before)


def main():
    mutants = read_list(HERE / 'mutants.list')
    unknown = set(sys.argv[1:]) - {m.name for m in mutants}
    if unknown:
        sys.exit(f'no such mutant: {" ".join(sorted(unknown))}')
    chosen = [m for m in mutants if len(sys.argv) == 1 or m.name in sys.argv[1:]]
    TREE.mkdir(parents=True, exist_ok=True)
    copy_tree()
    bad = 0
    try:
        suites = Suites()
        for suite in sorted({s for m in chosen for s in m.caught}):
            suites.build(suite)
            failed = suites.run(suite)
            if failed is not None:
                print(f'mutants: {suite} fails on the unbroken tree: {failed}')
                return 2
    except Broken as e:
        print(f'mutants: the unbroken tree {e}')
        return 2
    for mutant in chosen:
        try:
            caught, text = judge(mutant, suites)
        except Broken as e:
            caught, text = False, f'ERROR {e}'
        bad += 0 if caught else 1
        print(f'{mutant.name}: {text}', flush=True)
    print(f'{len(chosen)} mutants, {len(chosen) - bad} caught, {bad} not')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
