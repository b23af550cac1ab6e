#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Crash images of the daemons: daemons.py BUILD IMAGES [SEED|--finds]. Half of them are of the broker, half of a node.

A broker and two nodes run under load, and operators act on the broker and the node of DE, which run under the recorder:
what they do to their spool and marker, and what they say to their gates, broker, applications and operators. Then
images are rebuilt of what a crash at any moment may have left, and everything said until then must hold on each (QUE-2,
NODE-1, NODE-4, LOG-3, OPS-5, OPS-10; subject-broker.c, subject-node.c). A fifth of the images are second crashes: of some images
the daemon is started under the recorder again.

Exit 0: every image was as it should be; 1: not; 2: trouble. With --finds TMX_RECORD_UNSYNCED or TMX_RECORD_EARLY
(record.c) spoils the daemons, and 0 means that images of both were seen to have lost something.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import zmq

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD, IMAGES = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
FINDS = sys.argv[3:] == ['--finds']
SEED = int(sys.argv[3]) if len(sys.argv) > 3 and not FINDS else 1
AGAIN = 4           # images of each daemon that are recovered and swept again
ROUNDS, BURST = 10, 6
MRNS = [b'26DE004051K7M2P8J8', b'26DE004051H3V8R6J9', b'26DE004051Z9Q4T1J0']
SIZES = [10, 1500, 6000]
LARGE = 300000      # travels in chunks

work = tempfile.TemporaryDirectory(prefix='tmx-crash-', dir='/dev/shm')
root = pathlib.Path(work.name)
rng = random.Random(SEED)


def federation():
    """Spools and markers lie in a folder of their own: that is what is recorded."""
    shell = f'''set -u; FED_TOP={TOP}; FED_BUILD={BUILD}; FED_CAPACITY="12 MiB"; FED_STATE=state/
. "$FED_TOP/deploy/federation.sh"; fed_create "{root}/fed" 2026a DE IT || exit 1
echo "$FED_SOCKETS"'''
    made = subprocess.run(['bash', '-c', shell], stdout=subprocess.PIPE, text=True)
    if made.returncode != 0:
        sys.exit('daemons: the federation could not be created')
    for member in ('DE', 'IT'):   # what has its outcome goes at once: spools stay small, and pages are used again
        with open(root / 'fed' / member / 'tmx-node.conf', 'a') as f:
            f.write('retention = 0 s\n')
    return root / 'fed', made.stdout.strip().splitlines()[-1]


subprocess.run(['protoc', f'-I{TOP}/proto', f'--python_out={root}', f'{TOP}/proto/application.proto'], check=True)
sys.path.insert(0, str(root))
import application_pb2 as pb  # noqa: E402
FED, SOCKETS = federation()
ASKED = root / 'asked'
ASKED.touch()


class Daemon:
    def __init__(self, name):
        self.name, self.process = name, None
        self.folder = FED / name
        broker = name == 'broker'
        self.program = BUILD / ('broker/tmx-broker' if broker else 'node/tmx-node')
        self.config = self.folder / ('tmx-broker.conf' if broker else 'tmx-node.conf')
        self.sweep = BUILD / 'tests/crash' / ('sweep-broker' if broker else 'sweep-node')
        self.about = str(self.config) if broker else f'{self.config} {ASKED}'
        self.sends = 'stream' if broker else 'zmq'

    def start(self, log=None):
        environment = dict(os.environ)
        for name in ('TMX_RECORD_FLAGS', 'TMX_RECORD_UNSYNCED', 'TMX_RECORD_EARLY'):
            if log is None:
                environment.pop(name, None)
        if log is not None:
            environment.update(LD_PRELOAD=str(BUILD / 'tests/crash/librecord.so'), TMX_RECORD_LOG=str(log),
                               TMX_RECORD_FOLDER=str(self.folder / 'state'), TMX_RECORD_SENT=self.sends,
                               ASAN_OPTIONS='verify_asan_link_order=0:detect_leaks=0')
        out = open(self.folder / 'log', 'ab')
        self.process = subprocess.Popen([self.program, 'run', '--config', self.config], env=environment, stdout=out,
                                        stderr=out)
        control = self.folder / 'run/control'
        asked = [BUILD / 'broker/ctl/tmxctl', '--socket', control, '--json', 'status']
        answers = lambda: subprocess.run(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 3
        wait(lambda: self.process.poll() is not None or answers(), f'{self.name} starts')
        return self.process.poll() is None

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=30)
        self.process = None
        assert code == 0, f'{self.name} did not stop in good order: {code}'


def wait(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f'waited too long until {what}'
        time.sleep(0.02)


class Application:
    numbers = references = 0   # no two applications use the same

    def __init__(self, member):
        self.member, self.sent, self.taken = member, 0, 0
        self.ids, self.acked = [], set()   # it has submitted, taken
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RECONNECT_IVL, 20)
        self.socket.connect(f'ipc://{SOCKETS}/{member}')

    def ask(self, requests):
        """All at once, so that the node has several in a turn; answers in order of the requests."""
        waiting, answers = {}, {}
        for request, payload in requests:
            Application.numbers += 1
            request.id = Application.numbers
            if request.WhichOneof('body') == 'ack' and self.member == 'DE':
                with open(ASKED, 'a') as f:
                    f.write(f'{request.id} {request.ack.message_id.hex()}\n')
            waiting[request.id] = True
            self.socket.send_multipart([request.SerializeToString()] + ([payload] if payload is not None else []))
        end = time.monotonic() + 30
        while waiting:
            left = max(1, int((end - time.monotonic()) * 1000))
            assert self.socket.poll(left), f'the node of {self.member} does not answer'
            frames = self.socket.recv_multipart()
            response = pb.Response.FromString(frames[0])
            if waiting.pop(response.id, None):
                answers[response.id] = response
        return [answers[request.id] for request, _ in requests]

    def submit(self, to, n, size=None):
        requests = []
        for _ in range(n):
            self.sent += 1
            Application.references += 1
            r = pb.Request()
            r.submit.reference = f'{self.member}-{Application.references}'.encode()
            r.submit.recipients.append(to.encode())
            r.submit.message_type = b'CD118C'
            r.submit.mrn = rng.choice(MRNS)
            requests.append((r, os.urandom(size or rng.choice(SIZES))))
        for response in self.ask(requests):
            assert response.code == 0, f'not submitted: {response.code} {response.text}'
            self.ids.append(response.submit.message_id)

    def collect(self):
        r = pb.Request()
        r.lease.max, r.lease.wait_ms = 16, 50
        response = self.ask([(r, None)])[0]
        acks = []
        for m in response.lease.messages:
            a = pb.Request()
            a.ack.message_id, a.ack.token = m.message_id, m.token
            acks.append((a, None))
            self.acked.add(m.message_id)
        for response in self.ask(acks):
            assert response.code == 0, f'not acknowledged: {response.code}'
            self.taken += 1


class Operators:
    """Two of them, at a daemon."""

    def __init__(self, name, config):
        self.control, self.done = FED / name / 'run/control', []
        self.folder = FED / f'operators-{name}'
        self.folder.mkdir()
        here = f'tmx.demo/{name}'
        key = lambda file, *of: self.tmxctl('operators', 'key', *of, self.folder / file).stdout.strip()
        installation = key('installation', here)
        alice, bob = (key(o, '--installation', here, o) for o in ('alice', 'bob'))
        listed = self.folder / 'operators'
        listed.write_text(f'tmx-operators@v1\ninstallation {here}\noperator {alice} all\noperator {bob} all\n')
        self.tmxctl('operators', 'sign', listed, self.folder / 'installation')
        with open(config, 'a') as f:
            f.write(f'operators = {listed}\noperators_key = {installation}\n')

    def tmxctl(self, *words, by='alice'):
        return subprocess.run([BUILD / 'broker/ctl/tmxctl', '--socket', self.control, '--json', *words], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env={**os.environ, 'TMX_OPERATOR_KEY': str(self.folder / by)})

    def may(self, *words, by='alice'):
        """What became of it; None: it was refused."""
        asked = self.tmxctl(*words, '--reason', 'a crash', '--yes', by=by)
        if asked.returncode != 0:
            return None
        self.done.append(words[0])
        return json.loads(asked.stdout)

    def does(self, *words, by='alice'):
        """What it is about may be on its way: until it can be done."""
        done = []
        wait(lambda: done.append(self.may(*words, by=by)) or done[-1], f'operators can {" ".join(words)}')
        return done[-1]


class BrokerOperators(Operators):
    """Whatever they may do, and what destroys by both."""

    def queued(self):
        """The latest first: they came when nothing was sent any more."""
        rows = []

        def enough():
            rows[:] = json.loads(self.tmxctl('hold', '--to', 'IT').stdout or '[]')
            return len(rows) >= 2

        wait(enough, 'two wait for IT')
        return sorted((row['id'] for row in rows), reverse=True)

    def act(self, n):
        """In round n of the load. Returns how many deliveries to IT were ended."""
        plain = {1: ['drain'], 2: ['admit'], 3: ['pause', 'IT'], 6: ['resume', 'IT'], 7: ['disconnect', 'IT'], 8: ['reload']}
        if n in plain:
            self.does(*plain[n])
            return 0
        if n != 4:
            self.may('retry', 'IT')
            return 0
        one, two, *_ = self.queued()
        self.does('hold', one, two)
        proposal = self.does('propose', 'expire', one)
        self.may('release', two)
        return self.does('approve', str(proposal['index']), by='bob')['deliveries']


class NodeOperators(Operators):
    held = None

    def act(self, n, ids):
        """In round n: what was held is released; of these messages to the node the first one that is offered is held."""
        if self.held is not None:
            self.does('release', self.held)
            self.held = None
        elif 2 <= n < ROUNDS - 2:
            wait(lambda: any(self.hold(i) for i in ids[:BURST]), 'something can be held')

    def hold(self, message_id):
        self.held = message_id.hex() if self.may('hold', message_id.hex()) else None
        return self.held is not None


def load(de, it, at_broker, at_de):
    for n in range(ROUNDS):
        size = LARGE if n == ROUNDS // 2 else None
        de.submit('IT', 1 if size else BURST, size)
        it.submit('DE', 1 if size else BURST, size)
        de.sent -= at_broker.act(n)
        at_de.act(n, [i for i in it.ids if i not in de.acked])
        de.collect()
        it.collect()
    end = time.monotonic() + 60
    while de.taken < it.sent or it.taken < de.sent:
        assert time.monotonic() < end, f'{de.taken} of {it.sent} and {it.taken} of {de.sent} messages arrived'
        de.collect()
        it.collect()


def record(daemons):
    """Returns the recording and what was there before, of broker and DE."""
    logs, bases = {}, {}
    operators = BrokerOperators('broker', daemons['broker'].config), NodeOperators('DE', daemons['DE'].config)
    for name in ('broker', 'DE'):
        logs[name], bases[name] = root / f'log-{name}', root / f'base-{name}'
        shutil.copytree(FED / name / 'state', bases[name])
    for name, d in daemons.items():
        assert d.start(logs.get(name)), f'{name} does not start'
    de, it = Application('DE'), Application('IT')
    load(de, it, *operators)
    if not FINDS:
        for name in ('broker', 'DE'):   # a stop and a start, recorded like the rest
            daemons[name].stop()
            assert daemons[name].start(logs[name]), f'{name} does not start again'
        load(de, it, *operators)
    for d in daemons.values():
        d.stop()
    print(f'{de.sent + it.sent} messages, {sum(len(o.done) for o in operators)} actions: recorded {logs["broker"].stat().st_size >> 20} MiB of the broker, '
          f'{logs["DE"].stat().st_size >> 20} MiB of the node', flush=True)
    return logs, bases


def sweep(d, arguments, images, counts):
    log, base, *earlier = map(str, arguments)
    done = subprocess.run([d.sweep, 'check', log, base, str(images), str(SEED), root / 'image', d.about, *earlier],
                          stdout=subprocess.PIPE, text=True)
    assert done.returncode in (0, 1), f'sweep of {d.name}: {done.returncode}'
    words = done.stdout.split()
    for key, value in zip(words[::2], words[1::2]):
        counts[key] = counts.get(key, 0) + int(value)


def again(d, log, base, first, n, images, counts):
    """Image n of `first` is recovered by the daemon, which is recorded and swept."""
    second, image = root / 'log2', root / 'base2'
    shutil.rmtree(image, ignore_errors=True)
    second.unlink(missing_ok=True)
    subprocess.run([d.sweep, 'image', log, base, str(first), str(SEED), image, d.about, str(n)], check=True)
    shutil.rmtree(d.folder / 'state')
    shutil.copytree(image, d.folder / 'state')
    if not d.start(second):
        print(f'{d.name} does not start from image {n}', file=sys.stderr)
        d.process = None
        counts['images'] += 1
        counts['refused'] += 1
        return
    if d.name != 'broker':
        Application(d.name).submit('IT', BURST)   # the broker is not there: they wait
    d.stop()
    sweep(d, [second, image, log, base, first, SEED, n], images, counts)


def images_of(d, log, base):
    mine = IMAGES // 2
    first = mine - mine // 5
    counts = {}
    sweep(d, [log, base], first, counts)
    for k in range(AGAIN):
        again(d, log, base, first, (2 * k + 1) * first // (2 * AGAIN), mine // 5 // AGAIN, counts)
    print(d.name, ' '.join(f'{k} {v}' for k, v in counts.items()), flush=True)
    return counts['lost'] > 0 if FINDS else counts['images'] == counts['ok']


def main():
    daemons = {name: Daemon(name) for name in ('broker', 'DE', 'IT')}
    try:
        logs, bases = record(daemons)
        good = [images_of(daemons[name], logs[name], bases[name]) for name in ('broker', 'DE')]
        return 0 if all(good) else 1
    except (AssertionError, subprocess.SubprocessError, OSError):
        traceback.print_exc()
        for name in daemons:
            log = FED / name / 'log'
            lines = log.read_text(errors='replace').splitlines() if log.exists() else []
            print(f'--- {name}', *lines[-8:], sep='\n')
        return 2
    finally:
        for d in daemons.values():
            if d.process is not None:
                d.process.kill()
                d.process.wait()
        shutil.rmtree(SOCKETS, ignore_errors=True)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))   # so that nothing is left running
sys.exit(main())
