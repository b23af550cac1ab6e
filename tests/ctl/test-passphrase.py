# SPDX-License-Identifier: Apache-2.0
"""Key files under a passphrase, made and used by tmxctl and tmx-authority at a terminal: nothing is shown, a wrong one opens nothing, and
scripts name a file or a descriptor.

test-passphrase.py TMXCTL TMX-AUTHORITY"""
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import termios
import time

PROGRAM, AUTHORITY = map(os.path.abspath, sys.argv[1:3])
SECRET = 'correct horse \u00e9'
number = failed = 0


def check(name, good, said=''):
    global number, failed
    number += 1
    failed += not good
    print(f'{"ok" if good else "not ok"} {number} - {name}' + ('' if good else f': {said!r}'), flush=True)


def typing(arguments, lines, tty=True, **environment):
    """The program at a terminal of its own; each line is typed once it has asked and shows nothing. (exit code, screen, output)"""
    pid, terminal = pty.fork() if tty else (None, None)
    env = {'PATH': os.environ['PATH'], 'LC_ALL': 'C', 'HOME': '/nonexistent', **environment}
    for name in ('ASAN_OPTIONS', 'UBSAN_OPTIONS'):
        if name in os.environ:
            env[name] = os.environ[name]
    if not tty:
        done = subprocess.run(arguments, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100,
                              start_new_session=True)
        return done.returncode, done.stdout.decode()
    if pid == 0:
        os.execve(arguments[0], arguments, env)
    screen, asked, until = b'', 0, time.monotonic() + 100
    while time.monotonic() < until:
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                got = os.read(terminal, 4096)
            except OSError:   # it has ended
                break
            if not got:
                break
            screen += got
        if asked < len(lines) and screen.count(b': ') > asked and not termios.tcgetattr(terminal)[3] & termios.ECHO:
            os.write(terminal, lines[asked].encode() + b'\r')
            asked += 1
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), screen.decode(errors='replace')


def make_list(folder, key):
    with open(os.path.join(folder, 'operators'), 'w') as f:
        f.write(f'tmx-operators@v1\ninstallation here\noperator {key} all\n')


def operators(folder):
    key, plain = os.path.join(folder, 'sealed.key'), os.path.join(folder, 'plain.key')
    make = [PROGRAM, 'operators', 'key', 'here', key, '--installation', 'here', '--passphrase']
    sign = [PROGRAM, 'operators', 'sign', os.path.join(folder, 'operators'), key]
    code, said = typing(make, [SECRET, 'another'])
    check('two that differ make no key', code == 1 and 'differ' in said and not os.path.exists(key), said)
    code, said = typing(make, [''])
    check('an empty one makes no key', code == 1 and 'empty' in said and not os.path.exists(key), said)
    code, said = typing(make, [SECRET, SECRET])
    check('a key is made', code == 0 and os.stat(key).st_mode & 0o777 == 0o400, said)
    check('nothing of the passphrase was shown', 'horse' not in said, said)
    public = re.search(r'here\+[0-9a-f]{8}\+\S+', said)
    with open(key) as f:
        text = f.read()
    check('the file says what it is, and holds no secret', re.fullmatch(
        r'tmx-key 1 operator\ninstallation here\npublic \S{44}\nsealed argon2id 3 268435456 \S{160}\n', text), text)
    make_list(folder, public.group(0))
    code, said = typing(sign, ['correct horse e'])
    check('a wrong one signs nothing', code == 1 and 'wrong passphrase' in said, said)
    code, said = typing(sign, ['\x03'])
    check('Ctrl-C ends it', code == 1 and 'interrupted' in said, said)
    code, said = typing(sign, ['wrong\x15correx\x7fct horse \u00e9'])
    check('the right one signs, with what was typed wrong taken back', code == 0 and 'operators of here: 1' in said, said)
    code, said = typing(sign, [], tty=False)
    check('without a terminal it says what to do', code == 1 and 'TMX_PASSPHRASE_FILE' in said, said)
    path = os.path.join(folder, 'passphrase')
    with open(path, 'w') as f:
        f.write(SECRET + '\nmore\n')
    os.chmod(path, 0o644)
    code, said = typing(sign, [], tty=False, TMX_PASSPHRASE_FILE=path)
    check('a file that others read is refused', code == 1 and 'chmod 0400' in said, said)
    os.chmod(path, 0o400)
    code, said = typing(sign, [], tty=False, TMX_PASSPHRASE_FILE=path)
    check('a script names a file', code == 0, said)
    done = subprocess.run(['sh', '-c', f'TMX_PASSPHRASE_FILE=/dev/fd/3 "$@" 3<<END\n{SECRET}\nEND\n', 'sh', *sign], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=100)
    check('or a descriptor', done.returncode == 0, done.stdout)
    with open(plain, 'w') as f:
        f.write(text.replace('installation here', 'installation elsewhere'))
    os.chmod(plain, 0o400)
    code, said = typing([*sign[:-1], plain], [], tty=False, TMX_PASSPHRASE_FILE=path)
    check('the lines above it are sealed with it', code == 1 and 'wrong passphrase' in said, said)


def authority(folder):
    path = os.path.join(folder, 'passphrase')
    where = os.path.join(folder, 'authority')
    code, said = typing([AUTHORITY, 'init', '--federation', 'demo', '--keys', '2', '--threshold', '2', '--passphrase', where],
                        [SECRET, SECRET, 'the other holder', 'the other holder'])
    check('each holder of an authority key types his own', code == 0 and said.count('New passphrase') == 2, said)
    with open(os.path.join(where, 'authority-2.key')) as f:
        check('its file is sealed', 'sealed argon2id' in f.read())
    code, said = typing([AUTHORITY, 'sign', '--dir', where, '--key', os.path.join(where, 'authority-1.key')], [], tty=False,
                        TMX_PASSPHRASE_FILE='/nonexistent')
    check('without it nothing is signed', code == 1 and 'No such file' in said, said)
    code, said = typing([AUTHORITY, 'sign', '--dir', where, '--key', os.path.join(where, 'authority-1.key')], [SECRET])
    check('with it it is', code == 0 and '1 signature, 2 needed' in said, said)
    code, said = typing([AUTHORITY, 'sign', '--dir', where, '--key', os.path.join(where, 'authority-2.key')], [], tty=False,
                        TMX_PASSPHRASE_FILE=path)
    check('with that of another it is not', code == 1 and 'wrong passphrase' in said, said)


with tempfile.TemporaryDirectory(prefix='tmx-passphrase') as top:
    operators(top)
    authority(top)
print(f'1..{number}')
sys.exit(failed > 0)
