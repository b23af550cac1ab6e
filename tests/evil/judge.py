#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the attacks of tests/evil leave behind, before verifiers that share no code with the nodes that noticed them: every proof
is worth what the node says it is (LINK-6, LOG-8), every export of a changed history has a fault, and beside the true one is
a fork.

usage: judge.py TMX-AUDIT TEST...
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'python'))

from tmxspec import proofs  # noqa: E402
from tmxspec.directory import Authority, Directory  # noqa: E402
from tmxspec.note import read_vkey  # noqa: E402

AUDIT, TESTS = sys.argv[1], sys.argv[2:]


def audit(folder, *words):
    done = subprocess.run([AUDIT, *map(str, words), '--authority', folder / 'authority', '--json'], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def judge_proof(folder, path, expected, origin, key):
    directory = Directory((folder / 'directory').read_bytes(), Authority.read((folder / 'authority').read_text()))
    assert proofs.judge(path.read_text(), origin, key, directory) == expected, (path, expected)
    code, said = audit(folder, 'verify-misbehaviour', path, '--directory', folder / 'directory')
    assert said['verdict'] == expected and code == (0 if expected in ('fork', 'fork-seen') else 1), (path, said)
    if expected == 'fork-seen':
        shown, seen = proofs.read_seen(path.read_text(), origin, key, directory), said['seen']
        assert shown == tuple(seen[name] for name in ('sender', 'index', 'size')) and seen['history'] != seen['root'], (path, said)
    if expected == 'fork':
        assert path.read_text().startswith('tmx-fork@v1\n') and proofs.read_fork(path.read_text(), origin, key)


def judge_export(folder, path, expected):
    """By the auditor's rules; and a changed history beside the true one."""
    code, said = audit(folder, 'verify', path)
    assert (code == 0) == (expected != 'faulty'), (path, said)


def judge_fork(folder, path, origin, key):
    out = folder / f'{path.name}.fork'
    code, said = audit(folder, 'compare', folder / 'export-nothing', path, '--out', out)
    assert code == 1 and said['verdict'] == 'fork' and said['first_difference'] is not None, (path, said)
    judge_proof(folder, out, 'fork', origin, key)


def main():
    with tempfile.TemporaryDirectory(prefix='tmx-evil-') as name:
        folder, counts = pathlib.Path(name), {}
        for test in TESTS:
            done = subprocess.run([test], env={**os.environ, 'TMX_EVIL_OUT': name, 'MALLOC_PERTURB_': '0'},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100)
            assert done.returncode == 0, done.stdout
        origin, key = read_vkey((folder / 'vkeys').read_text().strip())
        for line in (folder / 'expected').read_text().splitlines():
            path, expected = folder / line.split()[0], line.split()[1]
            if path.is_dir():
                judge_export(folder, path, expected)
            else:
                judge_proof(folder, path, expected, origin, key)
            counts[expected] = counts.get(expected, 0) + 1
        for change in ('drop', 'alter', 'reorder', 'back-date'):
            judge_fork(folder, folder / f'export-{change}', origin, key)
        assert counts['fork'] >= 17 and counts['fork-seen'] == 2 and counts['unproved'] >= 5 and counts['faulty'] >= 6, counts
        print(' '.join(f'{verdict}: {n}' for verdict, n in sorted(counts.items())))


main()
