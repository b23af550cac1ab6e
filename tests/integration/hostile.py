#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a hostile peer does to a gate, and a look at the gates' memory meanwhile.

usage: hostile.py ATTACK ENDPOINT KEYFILE SERVERKEY     with a member's key file and the gate's public key (base64)
       hostile.py watch BROKER-PID RESULT               peak memory of every gate, a line each, when told to end

Floods go on until they are told to end: "large" and "tiny" messages that are no frames of the link, "bomb" (a message of so
many parts that it can only be held in memory), "connections" (raw TCP with garbage). The others end by themselves, with 0
when the gate did what it must: "stranger" (an unknown key), "server" (the wrong server key), "null" (no CURVE at all),
"oversize" (a frame above the limit) and "parts" (more frames than a message may have).
"""
import base64
import os
import pathlib
import select
import signal
import socket
import sys
import time

import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

DEADLINE_S = 20
ended = False


def end(*_):
    global ended
    ended = True


def member_keys(path):
    lines = dict(line.split() for line in pathlib.Path(path).read_text().splitlines()[1:])
    return [z85.encode(base64.b64decode(lines[k])) for k in ('public', 'secret')]


class Peer:
    def __init__(self, endpoint, keys, server):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        for option, value in [(zmq.LINGER, 0), (zmq.SNDHWM, 100), (zmq.RECONNECT_IVL, 50), (zmq.SNDTIMEO, 200)]:
            self.socket.setsockopt(option, value)
        if keys is not None:
            self.socket.curve_publickey, self.socket.curve_secretkey = keys
            self.socket.curve_serverkey = server
        self.monitor = self.socket.get_monitor_socket()
        self.socket.connect(endpoint)

    def event(self, wanted, unwanted=0, seconds=DEADLINE_S):
        """True when a wanted event comes; False when an unwanted one does, or nothing."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if self.monitor.poll(100):
                event = recv_monitor_message(self.monitor)['event']
                if event & (wanted | unwanted):
                    return bool(event & wanted)
        return False

    def send(self, frames):
        try:
            self.socket.send_multipart(frames)
        except zmq.Again:
            pass


def flood(peer, frames):
    while not ended:
        peer.send(frames)


def bombs(peer):
    part = os.urandom(64 << 10)
    while not ended:
        for _ in range(2000):
            peer.socket.send(part, zmq.SNDMORE | zmq.DONTWAIT)
            if ended:
                return
        peer.send([part])
        # A gate at its cap may only end the connection, and what is sent while it comes back is dropped: again, soon.
        peer.event(zmq.EVENT_DISCONNECTED, seconds=1)


def connections(endpoint):
    host, port = endpoint.removeprefix('tcp://').rsplit(':', 1)
    greeting = bytes.fromhex('ff00000000000000017f0301') + b'CURVE'.ljust(20, b'\0') + bytes(32)
    open_ones = []
    while not ended:
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((host, int(port)))
        open_ones.append(s)
        _, writable, _ = select.select([], [s], [], 0.01)
        try:
            for w in writable:
                w.send(os.urandom(1000) if len(open_ones) % 2 else greeting + os.urandom(300))
        except OSError:
            pass
        if len(open_ones) > 200:
            open_ones.pop(0).close()


def memory(pid):
    """Anonymous pages now, and all resident ones at their peak; bytes."""
    fields = dict(line.split(':', 1) for line in pathlib.Path(f'/proc/{pid}/status').read_text().splitlines() if ':' in line)
    return [int(fields[k].split()[0]) << 10 for k in ('RssAnon', 'VmHWM')]


def watch(broker, result):
    peaks, told = {}, None
    result = pathlib.Path(result)
    while not ended:
        for task in pathlib.Path(f'/proc/{broker}/task').iterdir():
            for pid in (task / 'children').read_text().split():
                try:
                    if pathlib.Path(f'/proc/{pid}/comm').read_text() == 'tmx-gate\n':
                        now = memory(pid)
                        before = peaks.get(pid, [0, 0])
                        peaks[pid] = [max(a, b) for a, b in zip(before, now)]
                except (OSError, KeyError):
                    continue   # it ended meanwhile
        text = ''.join(f'{pid} {a} {b}\n' for pid, (a, b) in peaks.items())
        if text != told:
            told = text
            result.with_suffix('.new').write_text(text)
            result.with_suffix('.new').rename(result)
        time.sleep(0.01)


def main():
    signal.signal(signal.SIGTERM, end)
    attack, endpoint = sys.argv[1:3]
    if attack == 'watch':
        return watch(endpoint, sys.argv[3])
    if attack == 'connections':
        return connections(endpoint)
    keys, server = member_keys(sys.argv[3]), z85.encode(base64.b64decode(sys.argv[4]))
    handshake, failed = zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_HANDSHAKE_FAILED_AUTH
    broken = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    if attack == 'stranger':
        return not Peer(endpoint, zmq.curve_keypair(), server).event(failed, handshake)
    if attack == 'server':
        return not Peer(endpoint, keys, zmq.curve_keypair()[0]).event(broken | failed, handshake)
    if attack == 'null':
        return not Peer(endpoint, None, None).event(broken | failed, handshake)
    peer = Peer(endpoint, keys, server)
    if not peer.event(handshake, failed):
        return True
    if attack == 'oversize':
        peer.send([bytes(2 << 20)])
        return not peer.event(zmq.EVENT_DISCONNECTED)
    if attack == 'parts':
        peer.send([b'x'] * 1000)
        return False
    if attack == 'large':
        return flood(peer, [b'large'] + [os.urandom(250 << 10)] * 4)
    if attack == 'tiny':
        return flood(peer, [b'tiny'])
    if attack == 'bomb':
        return bombs(peer)
    raise SystemExit(__doc__)


sys.exit(main())
