#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A policy whose quorum needs a witness outside the federation: the one written from the specification, behind HTTP, asked by
deploy/tmx-witness; and by hand. WIT-1, WIT-6

usage: outside-witness.py SOURCE BUILD
"""
import base64
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

SOURCE, BUILD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
sys.path.insert(0, str(SOURCE / 'tests/python'))

from tmxspec import ed25519, witness  # noqa: E402
from tmxspec.canonical import directory as pb, parse  # noqa: E402
from tmxspec.note import key_id  # noqa: E402
from world import World  # noqa: E402

ORIGIN, NAME = 'tmx.demo/log/2026a', 'far.example/witness'


class Handler(http.server.BaseHTTPRequestHandler):
    """POST …/add-checkpoint, as c2sp.org/tlog-witness has it."""

    def do_POST(self):
        server = self.server
        request = self.rfile.read(int(self.headers['Content-Length']))
        status, body = 404, b''
        if self.path == '/tmx/add-checkpoint':
            status, body = server.witness.answer(request, ORIGIN, server.log_key, int(time.time()))
        server.statuses.append(status)
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(directory):
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.witness, server.statuses = witness.Witness(NAME, ed25519.new_key()), []
    server.log_key = next(log.key for log in directory.logs)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def policy_with(server, directory):
    """The majority of the members, and the witness outside."""
    public = ed25519.public_bytes(server.witness.private)
    vkey = f'{NAME}+{key_id(NAME, public, witness.COSIGNATURE).hex()}+{base64.b64encode(witness.COSIGNATURE + public).decode()}'
    text = directory.witness_policy.decode().replace('quorum majority\n', '')
    return text + f'witness far {vkey} http://127.0.0.1:{server.server_port}/tmx\ngroup both all majority far\nquorum both\n'


def install(world, policy):
    path = world.file('policy')
    path.write_text(policy)
    authority = world.file('authority')
    world.run('broker/authority/tmx-authority', 'policy', path, '--dir', authority)
    world.run('broker/authority/tmx-authority', 'sign', '--dir', authority, '--key', authority / 'authority-1.key',
              '--key', authority / 'authority-2.key', '--out', world.file('second.tmx'))
    world.ctl('directory', 'install', world.file('second.tmx'))


def cosigned(world):
    """Size and witnesses of the newest head with a quorum, and the size of the log."""
    log = json.loads(subprocess.run([BUILD / 'broker/ctl/tmxctl', '--socket', world.file('broker/run/control'), '--json', 'status'],
                                    stdout=subprocess.PIPE, timeout=30).stdout)['log']
    return log['cosigned']['size'] if log['cosigned']['quorum'] else 0, log['cosigned']['by'], log['size']


def await_cosigned(world, at_least, seconds=40):
    end = time.monotonic() + seconds
    while True:
        size, by, log = cosigned(world)
        if size >= at_least:
            return size, by, log
        assert time.monotonic() < end, (size, by, log, at_least)
        time.sleep(0.1)


def hand(world, *words):
    done = subprocess.run([BUILD / 'broker/ctl/tmxctl', '--socket', world.file('broker/run/control'), *map(str, words)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    return done.returncode, done.stdout, done.stderr.decode()


def ask(world):
    """What is to be asked; a head to ask about comes with the next round."""
    end = time.monotonic() + 40
    while True:
        code, request, error = hand(world, 'witness', 'request', 'far')
        if code == 0:
            return request
        assert '(nothing)' in error and time.monotonic() < end, error
        time.sleep(0.1)


def by_hand(world, server):
    """One head, carried in files; and what is no cosignature."""
    request, answer = ask(world), world.file('answer')
    status, body = server.witness.answer(request, ORIGIN, server.log_key, int(time.time()))
    assert status == 200, status
    answer.write_bytes(body.replace(b'A', b'B', 1) if b'A' in body else body[:-9] + b'\n')
    code, _, error = hand(world, 'witness', 'reply', 'far', status, answer)
    assert code == 1 and '(invalid)' in error, error
    answer.write_bytes(body)
    code, said, error = hand(world, 'witness', 'reply', 'far', status, answer)
    assert code == 0 and said.startswith(b'taken; '), (said, error)
    code, _, error = hand(world, 'witness', 'request', 'nobody')
    assert code == 1 and '(unknown-witness)' in error, error
    return int(request.split(b'\n\n')[1].split(b'\n')[1])


def adapter(world):
    env = {**os.environ, 'TMXCTL': str(BUILD / 'broker/ctl/tmxctl'), 'no_proxy': '127.0.0.1'}
    with open(world.file('adapter.log'), 'ab') as log:
        process = subprocess.Popen([SOURCE / 'deploy/tmx-witness', '--every', '1', 'far', '--socket', world.file('broker/run/control')],
                                   stdout=log, stderr=log, env=env)
    world.processes.append(process)


def restart_broker(world):
    world.processes[0].terminate()
    assert world.processes[0].wait(10) == 0
    world.start('broker', 'broker/tmx-broker')
    world.processes[0] = world.processes.pop()


def main():
    with World(SOURCE, BUILD, ['DE', 'IT']) as world:
        world.start_nodes()
        world.send('DE', 'first', b'before', '--type', 'CD974C', '--mrn', '26DE004051K7M2P8J8')
        world.message_accepted('DE', 'first')
        before, _, _ = await_cosigned(world, 1)
        directory = parse(pb.Directory, parse(pb.SignedDirectory, world.file('directory.tmx').read_bytes()).directory)
        server = serve(directory)
        policy = policy_with(server, directory)
        install(world, policy)
        size = by_hand(world, server)
        assert await_cosigned(world, size)[:2] == (size, 3), cosigned(world)   # DE, IT and the one outside
        adapter(world)
        world.send('DE', 'second', b'since', '--type', 'CD974C', '--mrn', '26DE004051K7M2P8J8')
        world.message_accepted('DE', 'second')
        await_cosigned(world, cosigned(world)[2])
        assert server.statuses == [200] * len(server.statuses) and server.statuses, server.statuses
        restart_broker(world)   # it does not know any more what the witness has cosigned, and is told: 409
        world.send('DE', 'third', b'and since', '--type', 'CD974C', '--mrn', '26DE004051K7M2P8J8')
        world.message_accepted('DE', 'third')
        await_cosigned(world, cosigned(world)[2])
        assert 409 in server.statuses and server.statuses[-1] == 200, server.statuses
        world.run('broker/audit/tmx-audit', 'export', '--socket', world.file('broker/run/control'), world.file('export'))
        world.run('broker/audit/tmx-audit', 'verify', world.file('export'), '--authority', world.file('authority.pub'))
        by, complete = witness.Policy(policy).count(world.file('export/checkpoint').read_text())
        assert by == 3 and complete, (by, complete)
        print(f'{before}, {size} by hand, {cosigned(world)[0]} entries; answers {server.statuses}')


main()
