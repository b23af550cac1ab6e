#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Three nodes and a broker as processes, killed with SIGKILL at random points under load, and an outside checker.

usage: exchange.py BUILD KILLS [SEED]       KILLS of each process

Nothing answered as durable is lost; nothing is handed over twice unmarked (NODE-7, I3); order within a movement holds
(NODE-6, I4); bytes come out as they went in (CON-3); submitting again with the same reference makes nothing new (NODE-1,
APP-1); an unknown type, a bad MRN and a missing correlation are refused by name (NODE-2, CAT-1..3, APP-2); at the end every
delivery has its outcome (REP-2) and the auditor verifies the whole log (LOG-1..6).
"""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import zmq

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD, KILLS = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else int(time.time())
MEMBERS = ['CH', 'DE', 'IT']
MRNS = ['26DE004051K7M2P8J8', '26DE004051H3V8R6J9', '26DE004051Z9Q4T1J0']

work = tempfile.TemporaryDirectory(prefix='tmx-exchange-')
root = pathlib.Path(work.name)
subprocess.run(['protoc', f'-I{TOP}/proto', f'--python_out={root}', f'{TOP}/proto/application.proto'], check=True)
sys.path.insert(0, str(root))
import application_pb2 as pb  # noqa: E402

rng = random.Random(SEED)
shell = f'''set -u; FED_TOP={TOP!s}; FED_BUILD={BUILD!s}; . "$FED_TOP/deploy/federation.sh"; fed_create "{root}/fed" 2026a {' '.join(MEMBERS)} || exit 1
echo "$FED_SOCKETS"'''
made = subprocess.run(['bash', '-c', shell], stdout=subprocess.PIPE, text=True)
assert made.returncode == 0, 'the federation could not be created'
SOCKETS = made.stdout.strip().splitlines()[-1]
FED = root / 'fed'


class Process:
    def __init__(self, name):
        self.name, self.process = name, None

    def start(self):
        program = BUILD / ('broker/tmx-broker' if self.name == 'broker' else 'node/tmx-node')
        config = FED / self.name / ('tmx-broker.conf' if self.name == 'broker' else 'tmx-node.conf')
        log = open(FED / self.name / 'log', 'ab')
        self.process = subprocess.Popen([program, 'run', '--config', config], stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.start()

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=20)


class Application:
    """A national application: asks until it is answered, as its idempotent references allow."""

    def __init__(self, member):
        self.member, self.number = member, 0
        self.context = zmq.Context.instance()
        self.socket = None
        self.sent = {}        # reference -> (to, movement, order, payload)
        self.answered = {}    # reference -> message id
        self.handed = {}      # message id -> times
        self.order = {}       # (sender, movement) -> highest order seen first
        self.leased = []

    def ask(self, request, payload=None, timeout=3000):
        if self.socket is None:
            self.socket = self.context.socket(zmq.DEALER)
            self.socket.setsockopt(zmq.LINGER, 0)
            self.socket.setsockopt(zmq.RECONNECT_IVL, 50)
            self.socket.connect(f'ipc://{SOCKETS}/{self.member}')
        self.number += 1
        request.id = self.number
        self.socket.send_multipart([request.SerializeToString()] + ([payload] if payload is not None else []))
        end = time.monotonic() + timeout / 1000
        while time.monotonic() < end:
            if self.socket.poll(max(1, int((end - time.monotonic()) * 1000))):
                frames = self.socket.recv_multipart()
                response = pb.Response.FromString(frames[0])
                if response.id == self.number:
                    return response, frames[1:]
        self.socket.close()
        self.socket = None
        return None, []

    def submit(self, reference, to, movement, payload, **extra):
        r = pb.Request()
        r.submit.reference = reference.encode()
        r.submit.recipients.append(to.encode())
        r.submit.message_type = extra.get('type', b'CD118C')
        if movement is not None:
            r.submit.mrn = MRNS[movement].encode() if isinstance(movement, int) else movement
        return self.ask(r, payload)[0]

    def submit_some(self, n):
        for _ in range(n):
            if len(self.sent) > len(self.answered):
                reference = next(x for x in self.sent if x not in self.answered)
            else:
                order = len(self.sent)
                reference = f'{self.member}-{order}'
                to = rng.choice([m for m in MEMBERS if m != self.member])
                movement = rng.randrange(len(MRNS))
                head = f'{self.member} {movement} {order} '.encode()
                self.sent[reference] = (to, movement, order, head + os.urandom(rng.choice([10, 2000, 60000])))
            to, movement, order, payload = self.sent[reference]
            response = self.submit(reference, to, movement, payload)
            if response is None or response.code >= 300 and response.code < 400:
                return
            assert response.code == 0, f'{reference}: {response.code} {response.text!r}'
            self.answered[reference] = response.submit.message_id

    def collect(self, apps, wait_ms=0):
        r = pb.Request()
        r.lease.max, r.lease.lease_ms, r.lease.wait_ms = 16, 4000, wait_ms
        response, payloads = self.ask(r)
        if response is None or response.code != 0:
            return 0
        for m, payload in zip(response.lease.messages, payloads):
            sender, movement, order, _ = payload.split(b' ', 3)
            sender = sender.decode()
            expected = apps[sender].sent[f'{sender}-{int(order)}']
            assert payload == expected[3] and expected[0] == self.member, 'other bytes than were sent'
            first = m.message_id not in self.handed
            assert first or m.redelivered, f'{m.message_id.hex()} was handed over twice, unmarked'
            self.handed[m.message_id] = self.handed.get(m.message_id, 0) + 1
            if first:
                key = (sender, int(movement))
                assert self.order.get(key, -1) < int(order), f'{self.member}: order of movement {key} is broken'
                self.order[key] = int(order)
            ack = pb.Request()
            ack.ack.message_id, ack.ack.token = m.message_id, m.token
            self.ask(ack)
        return len(response.lease.messages)


def refusals(app):
    cases = [(b'CD999C', None, 501), (b'CD118C', None, 503), (b'CD118C', b'26DE004051K7M2P8J9', 502), (b'CD070C', b'26DE004051K7M2P8J8', 504),
             (b'CD095C', b'26DE004051K7M2P8J8', 505)]
    for kind, mrn, code in cases:
        response = app.submit(f'bad-{code}', 'IT', mrn, b'x', type=kind)
        assert response.code == code and response.text, f'{kind}: {response.code} instead of {code}'
    r = pb.Request()
    r.list.max = 10
    assert len(app.ask(r)[0].messages.messages) == 0, 'a refused submission was stored'


def settled():
    answer = subprocess.run([BUILD / 'broker/ctl/tmxctl', '--socket', FED / 'broker/run/control', '--json', 'status'],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    try:
        status = json.loads(answer)
    except ValueError:
        return False
    return all(d['queued'] == 0 and d['arrived'] == 0 for d in status['destinations'])


processes = {n: Process(n) for n in ['broker'] + MEMBERS}


def main():
    for p in processes.values():
        p.start()
    apps = {m: Application(m) for m in MEMBERS}
    started = time.monotonic()
    while apps['DE'].submit('probe', 'IT', None, b'x', type=b'CD999C') is None:
        assert time.monotonic() - started < 30, 'the node of DE does not answer'
    refusals(apps['DE'])
    plan = [n for n in processes for _ in range(KILLS)]
    rng.shuffle(plan)
    for name in plan:
        end = time.monotonic() + rng.uniform(0.1, 0.8)
        while time.monotonic() < end:
            app = rng.choice(list(apps.values()))
            app.submit_some(rng.randrange(1, 8))
            app.collect(apps)
        processes[name].kill()
    print(f'{len(plan)} kills done, {sum(len(a.answered) for a in apps.values())} submissions answered', flush=True)
    limit = time.monotonic() + 180
    expected = lambda: sum(len(a.answered) for a in apps.values())
    while True:
        for app in apps.values():
            if len(app.sent) > len(app.answered):
                app.submit_some(1)
            app.collect(apps, 200)
        handed = sum(len(a.handed) for a in apps.values())
        if handed == expected() and all(len(a.sent) == len(a.answered) for a in apps.values()) and settled():
            break
        assert time.monotonic() < limit, f'not drained: {handed} of {expected()} handed over'
    for app in apps.values():
        for reference, message_id in app.answered.items():
            to, movement, order, payload = app.sent[reference]
            assert message_id in apps[to].handed, f'{reference} is lost'
        reference = next(iter(app.sent))
        to, movement, order, payload = app.sent[reference]
        again = app.submit(reference, to, movement, payload)
        assert again.submit.duplicate and again.submit.message_id == app.answered[reference], 'not idempotent'
        other = app.submit(reference, to, movement, payload + b'!')
        assert other.code == 507, 'another message under the same reference was not refused'
    export = root / 'export'
    subprocess.run([BUILD / 'broker/audit/tmx-audit', 'export', '--socket', FED / 'broker/run/control', export], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run([BUILD / 'broker/audit/tmx-audit', 'verify', export, '--authority', FED / 'authority.pub'], check=True,
                   stdout=subprocess.DEVNULL)
    for p in processes.values():
        assert p.stop() == 0, f'{p.name} did not stop cleanly'
    twice = sum(n - 1 for a in apps.values() for n in a.handed.values())
    print(f'{expected()} messages, {len(plan)} kills, {twice} marked redeliveries, log verified, seed {SEED}')


try:
    main()
except BaseException:
    print(f'failed with seed {SEED}')
    for name in ['broker'] + MEMBERS:
        path = FED / name / 'log'
        if path.exists():
            print(f'--- {name}', *path.read_text(errors='replace').splitlines()[-8:], sep='\n')
    raise
finally:
    for p in processes.values():
        if p.process is not None and p.process.poll() is None:
            p.process.kill()
    shutil.rmtree(SOCKETS, ignore_errors=True)
