# SPDX-License-Identifier: Apache-2.0
"""A federation of real processes in which one member brings the node written from the specification."""
import json
import pathlib
import shutil
import subprocess
import tempfile
import time

import zmq

from tmxspec.directory import Authority
from tmxspec.keys import Keys
from tmxspec.node import Node

MEMBER = b'CH'


class World:
    """Broker, nodes of the other members as processes, `node` for CH; all of it ends with the `with` block."""

    def __init__(self, source, build, others):
        self.source, self.build, self.others = source, build, others
        self.folder = tempfile.TemporaryDirectory(prefix='tmx-python-node-')
        self.fed = pathlib.Path(self.folder.name) / 'fed'
        self.processes, self.context = [], zmq.Context()
        self.sockets = self.node = None

    def __enter__(self):
        try:
            self.create()
        except BaseException as error:
            self.__exit__(error)
            raise
        return self

    def create(self):
        keys = Keys()
        (self.fed / 'CH').mkdir(parents=True)
        (self.fed / 'CH/request.tmx').write_bytes(keys.request(MEMBER, b'Customs administration of CH'))
        made = subprocess.run(['bash', '-c', f'set -u; FED_TOP={self.source}; FED_BUILD={self.build}; '
                               f'. "$FED_TOP/deploy/federation.sh"; fed_create "{self.fed}" 2026a CH {" ".join(self.others)} || exit 1; '
                               'echo "$FED_SOCKETS"'], stdout=subprocess.PIPE, text=True, timeout=60)
        assert made.returncode == 0, 'the federation could not be created'
        self.sockets = made.stdout.strip().splitlines()[-1]
        self.start('broker', 'broker/tmx-broker')
        self.node = Node(MEMBER, keys, self.file('directory.tmx').read_bytes(), Authority.read(self.file('authority.pub').read_text()),
                         self.context)

    def __exit__(self, kind, *_):
        if self.node:
            self.node.disconnect()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if kind:
            for log in sorted(self.fed.glob('*/log')):
                print(f'--- {log.parent.name}', *log.read_text().splitlines()[-12:], sep='\n')
        if self.sockets:
            shutil.rmtree(self.sockets, ignore_errors=True)
        self.context.destroy(linger=0)
        self.folder.cleanup()

    def file(self, name):
        return self.fed / name

    def start(self, name, program):
        with open(self.file(f'{name}/log'), 'ab') as log:
            config = self.file(f'{name}/{program.split("/")[1]}.conf')
            self.processes.append(subprocess.Popen([self.build / program, 'run', '--config', config], stdout=log, stderr=log))

    def start_nodes(self):
        for name in self.others:
            self.start(name, 'node/tmx-node')

    def run(self, program, *words):
        """What a program prints; it has to end well."""
        done = subprocess.run([str(self.build / program), *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=30)
        assert done.returncode == 0, f'{program} {words}: {done.returncode} {done.stdout}'
        return done.stdout

    def tmx(self, member, *words):
        """The answers of `tmx --json`, one document a line."""
        out = self.run('node/cli/tmx', '--node', f'ipc://{self.sockets}/{member}', '--json', *words)
        return [json.loads(line) for line in out.splitlines()]

    def ctl(self, *words):
        return self.run('broker/ctl/tmxctl', '--socket', self.file('broker/run/control'), *words)

    def causes(self, word):
        """What `why` names at the broker; with any its exit status says so."""
        done = subprocess.run([self.build / 'broker/ctl/tmxctl', '--socket', self.file('broker/run/control'), '--json', 'why', str(word)],
                              stdout=subprocess.PIPE, timeout=30)
        return [cause['code'] for cause in json.loads(done.stdout)['causes']]

    def counters(self):
        return json.loads(self.ctl('--json', 'status'))['counters']

    def collect(self, member, message_id, *more):
        """Takes one message out of a member's node: its description and its bytes."""
        folder = self.file(f'in-{member}')
        folder.mkdir(exist_ok=True)
        got = self.tmx(member, 'receive', '--wait', 10, '--max', 1, '--to', folder, *more)
        assert [g['id'].replace('-', '') for g in got] == [message_id.hex()], f'{member} received {got}'
        return got[0], pathlib.Path(got[0]['file']).read_bytes()

    def send(self, member, reference, payload, *more):
        """Submits a payload at a member's node for CH."""
        path = self.file(reference)
        path.write_bytes(payload)
        self.tmx(member, 'send', '--to', 'CH', '--reference', reference, *more, path)

    def message_accepted(self, member, reference):
        self.message(member, reference, 'accepted')

    def message(self, member, reference, state):
        """The message as that node shows it, once its delivery is in that state."""
        end = time.monotonic() + 10
        while True:
            shown = self.tmx(member, 'message', reference)[0]
            if shown['deliveries'][0]['state'] == state:
                return shown
            assert time.monotonic() < end, f'{reference}: {shown}'
            if self.node.session:
                self.node.step(0.05)
            else:
                time.sleep(0.05)
