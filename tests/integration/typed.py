# SPDX-License-Identifier: Apache-2.0
"""Commands that `why` and `status` tell to type: typed.py BUILD FEDERATION NAME, with the answer of that daemon on standard input.

Each is one that its program knows; what only looks is typed, and has to answer. What changes something is left to the test."""
import json
import pathlib
import re
import subprocess
import sys

BUILD, FED, NAME = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
PROGRAMS = {'tmxctl': 'broker/ctl/tmxctl', 'tmx': 'node/cli/tmx', 'tmx-authority': 'broker/authority/tmx-authority', 'tmx-broker': 'broker/tmx-broker',
            'tmx-node': 'node/tmx-node', 'tmx-audit': 'broker/audit/tmx-audit'}
# Not the units and files that are called like programs.
COMMAND = re.compile(r'(?<![\w/.-])(?<!restart )(?<!-u )(tmx|tmxctl|tmx-[a-z]+)(?![\w@.-])(?: --node (?P<run>\S+))?(?P<words>(?: -{0,2}\w[\w-]*)*)')
LOOKS = ('why', 'queue', 'peers', 'operations', 'proposals', 'directory show', 'misbehaviour')
ARGUMENT = re.compile(r'[A-Z]{2,8}|[0-9a-f]{8}-[0-9a-f-]{27}')


def run(*words):
    return subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30, cwd=FED)


def command_of(program, words):
    """The words that are a command of that program, or an option; None: it has no such."""
    said = run(BUILD / PROGRAMS[program], '--help').stdout
    commands = re.findall(r'^(?:  |(?:Usage:|  or: ) .*\[OPTION\.\.\.\] )([a-z]+(?:-[a-z]+)*(?: [a-z]+)?)(?= |$)', said, re.M)
    return next((words[:n] for n in (2, 1) if ' '.join(words[:n]) in commands), None) or \
        (words[:1] if words and words[0].startswith('--') and words[0] in said else None)


def answers(name):
    """Neither away nor stopped: then there is nobody to ask."""
    try:
        pid = (FED / name / 'pid').read_text().strip()
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'T'
    except FileNotFoundError:
        return False


def look(name, command, words):
    words = command + [w for w in words[len(command):len(command) + 1] if ARGUMENT.fullmatch(w)]
    done = run(BUILD / PROGRAMS['tmxctl'], '--socket', FED / name / 'run/control', *words) if answers(name) else None
    if done and (done.returncode not in (0, 1, 2) or done.stderr):
        yield f'tmxctl {" ".join(words)}: {done.returncode} {done.stderr}'


def judge(text, default):
    for match in COMMAND.finditer(text.replace(str(FED), 'FED')):   # a path is one word
        program, words, node = match[1], match['words'].split(), match['run']
        command = command_of(program, words)
        if command is None:
            yield f'{program} has no such command: {text}'
        elif program == 'tmxctl' and ' '.join(command) in LOOKS:
            # RUN: of the node that it is about
            yield from look(words[-1] if node == 'RUN' else default if node is None else pathlib.PurePath(node).parent.name, command, words)


def main():
    answer = json.load(sys.stdin)
    told = [(t, 'broker') for c in answer.get('causes', []) for t in (c['fix'], c['evidence'])]
    told += [(t, NAME) for p in answer.get('problems', []) for t in (p.get('see', ''), p['text'])]
    wrong = [w for text, default in told for w in judge(text, default)]
    print(*wrong, sep='\n')
    return len(wrong) > 0


sys.exit(main())
