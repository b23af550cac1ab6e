#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports of a running broker, and what others' tools make of them: signify checks the list of files, protoc decodes every
entry with the schema in the export and nothing else. What is new is laid over an earlier export with cp (LOG-5).

usage: exports.py SOURCE BUILD
"""
import os
import pathlib
import pty
import shutil
import subprocess
import sys

SOURCE, BUILD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
sys.path.insert(0, str(SOURCE / 'tests/python'))

from tmxspec import export  # noqa: E402
from world import World  # noqa: E402

AUDIT = BUILD / 'broker/audit/tmx-audit'


def run(*command, **more):
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, **more)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def audit(*words):
    code, text, error = run(AUDIT, *words)
    assert code == 0, (words, text, error)
    return text


def traffic(world, first, count):
    for i in range(first, first + count):
        world.send('DE', f'message-{i}', b'payload %d' % i, '--type', 'CD974C', '--mrn', '26DE004051K7M2P8J8')
    world.message_accepted('DE', f'message-{first + count - 1}')


def entries_of(folder):
    """All entries of an export, by its own words."""
    size = int((folder / 'checkpoint').read_text().splitlines()[1])
    full, rest = divmod(size, export.TILE)
    return [e for n in range(full) for e in export.bundle(folder, n, export.TILE)] + export.bundle(folder, full, rest)


def others_read_it(folder, public, outgrown=0):
    """Without a program or a file of the exchange but the public key; so many partial tiles of an earlier head are no part of it."""
    code, text, error = run('signify-openbsd', '-C', '-p', public, '-x', 'SHA256.sig', cwd=folder)
    files = [p for p in folder.rglob('*') if p.is_file()]
    assert code == 0 and text.startswith('Signature Verified\n') and text.count(': OK\n') == len(files) - 2 - outgrown, (text, error)
    code, text, error = run('sha256sum', '--check', '--strict', 'SHA256', cwd=folder)
    assert code == 0, (text, error)
    decoded = [run('protoc', '--decode=tmx.LogEntry', '--proto_path', folder / 'proto', 'audit.proto', input=entry)
               for entry in entries_of(folder)]
    assert all(code == 0 and text.startswith('kind: ENTRY_') for code, text, _ in decoded), decoded
    kinds = [text.splitlines()[0] for _, text, _ in decoded]
    assert kinds[0] == 'kind: ENTRY_SHARD_START' and {'kind: ENTRY_PREKEYS', 'kind: ENTRY_ACCEPTANCE'} < set(kinds), kinds
    return len(decoded)


def signify_sees(folder, public, path):
    """A file that was changed."""
    bent = folder / path
    kept = bent.read_bytes()
    bent.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    code, text, error = run('signify-openbsd', '-C', '-p', public, '-x', 'SHA256.sig', cwd=folder)
    bent.write_bytes(kept)
    assert code != 0, (path, text, error)


def on_a_terminal(*command):
    """What a command writes to its standard error when that is a terminal."""
    mine, its = pty.openpty()
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=its, timeout=60)
    os.close(its)
    said = b''
    while True:
        try:
            piece = os.read(mine, 65536)
        except OSError:   # the other side is closed
            break
        said += piece
    os.close(mine)
    assert done.returncode == 0, said
    return said.decode()


def main():
    with World(SOURCE, BUILD, ['DE', 'IT']) as world:
        world.start_nodes()
        asked = ['--socket', world.file('broker/run/control')]
        earlier, whole, new = (world.file(name) for name in ('earlier', 'whole', 'new'))
        key, public = world.file('archive.key'), world.file('archive.pub')
        traffic(world, 0, 3)
        assert str(public) in audit('keygen', key)
        audit('export', earlier, *asked, '--sign', key)
        others_read_it(earlier, public)
        for path in ('checkpoint', 'directories/1', 'proto/audit.proto', 'SHA256.sig'):
            signify_sees(earlier, public, path)
        verified = ['--authority', world.file('authority.pub'), '--signed-by', public]
        audit('verify', earlier, *verified)
        code, _, error = run(AUDIT, 'export', earlier, *asked)
        assert code == 1 and 'is signed: name the key with --sign' in error, error

        traffic(world, 3, 30)
        bar = on_a_terminal(AUDIT, 'export', whole, *asked, '--sign', key)
        size = others_read_it(whole, public)
        assert f'\r[{"#" * 30}] {size}/{size}\r\n' in bar, bar
        code, _, error = run(AUDIT, 'export', whole, *asked, '--sign', key)
        assert code == 0 and error == '', error
        audit('export', new, *asked, '--since', earlier, '--sign', key)
        shutil.copytree(new, earlier, dirs_exist_ok=True)
        assert others_read_it(earlier, public, 2) >= size
        audit('verify', earlier, *verified)
        audit('export', earlier, *asked, '--sign', key)
        audit('export', whole, *asked, '--sign', key)
        assert run('diff', '-r', earlier, whole) == (0, '', '')

        # A signed list takes a key to prune, too; of so small a log the only bundle stays (LOG-10).
        pruned = ['prune', whole, '--before', '2100-01-01', '--authority', world.file('authority.pub')]
        code, _, error = run(AUDIT, *pruned)
        assert code == 1 and 'is signed: name the key with --sign' in error, error
        assert ': 0 entries pruned, ' in audit(*pruned, '--sign', key)
        assert run('diff', '-r', earlier, whole) == (0, '', '')
        code, _, error = run(AUDIT, *pruned[:2], *pruned[4:])
        assert code == 64 and '--before TIME or INDEX is missing' in error, error
        print(f'{size} entries read by signify, sha256sum and protoc')


main()
