# SPDX-License-Identifier: Apache-2.0
"""One session with the broker over ZeroMQ and CURVE: frames, numbers, greeting (TRA-1, TRA-4, LINK-1..4)."""
import os
import time

import zmq

from .canonical import Malformed, link as pb, pack, parse

CONTROL_MAX, FRAMES_MAX, FRAME_MAX = 16384, 129, (256 << 10) + 65536
PING_S, SILENCE_S = 5, 15


class Ended(Exception):
    """The session is over; a node opens another."""


def frames_of(body, value):
    """How many payload frames a body of the broker calls for (link.proto, at each body)."""
    return {'feed': lambda: value.items, 'deliver': lambda: 2 * value.items, 'chunk': lambda: 1, 'directory': lambda: 1,
            'witness': lambda: 1, 'cosigned': lambda: 1, 'proofs': lambda: value.items}.get(
        body, lambda: 0)()


class Session:
    def __init__(self, context, endpoint, server_key, public, secret):
        self.socket = context.socket(zmq.DEALER)
        self.socket.curve_serverkey, self.socket.curve_publickey, self.socket.curve_secretkey = server_key, public, secret
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.IMMEDIATE, 1)
        self.socket.setsockopt(zmq.MAXMSGSIZE, FRAME_MAX + 33)
        self.socket.connect(endpoint)
        self.session = self.sent = self.received = 0
        self.sent_at = self.heard_at = time.monotonic()

    def close(self):
        self.socket.close()

    def send(self, body, message, *frames):
        """Sends one control frame and its payload frames."""
        if body != 'hello':
            self.sent += 1
        control = pack(pb.Link(session=self.session, number=self.sent, **{body: message}))
        parts = [control, *frames]
        assert len(control) <= CONTROL_MAX and len(parts) <= FRAMES_MAX and sum(map(len, parts)) <= 1 << 20
        if not self.socket.poll(5000, zmq.POLLOUT):
            raise Ended('the broker does not read')
        self.socket.send_multipart(parts)
        self.sent_at = time.monotonic()

    def greet(self, hello, timeout=10):
        """Hello; the Welcome that answers it."""
        hello.version, hello.nonce = 1, os.urandom(16)
        self.send('hello', hello)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if not self.socket.poll(max(0, int((end - time.monotonic()) * 1000))):
                break
            control, *frames = self.socket.recv_multipart()
            frame = parse(pb.Link, control)
            # What an earlier session left in the pipe is of no interest.
            if frame.WhichOneof('body') == 'welcome' and frame.welcome.nonce == hello.nonce and not frames:
                if frame.welcome.version != 1 or frame.number != 1 or frame.session == 0:
                    raise Ended('not a welcome of this version')
                self.session, self.received, self.heard_at = frame.session, 1, time.monotonic()
                return frame.welcome
            if frame.WhichOneof('body') == 'bye':
                raise Ended(f'bye {frame.bye.code}')
        raise Ended('no welcome')

    def receive(self, timeout):
        """(body's name, body, payload frames) of the next frame of this session, or None in time."""
        end = time.monotonic() + timeout
        while True:
            if not self.socket.poll(max(0, int((end - time.monotonic()) * 1000))):
                if time.monotonic() - self.heard_at > SILENCE_S:
                    raise Ended('the broker is silent')
                return None
            control, *frames = self.socket.recv_multipart()
            taken = self.read(control, frames)
            if taken:
                return taken

    def read(self, control, frames):
        """What a frame brings, when it is the next of this session."""
        try:
            frame = parse(pb.Link, control)
        except Malformed:
            return None
        body = frame.WhichOneof('body')
        if body == 'bye' and frame.session == self.session:
            raise Ended(f'bye {frame.bye.code}')
        if frame.session != self.session or frame.number <= self.received or body is None:
            return None
        if frame.number != self.received + 1:
            raise Ended('a gap')
        value = getattr(frame, body)
        if len(frames) != frames_of(body, value):
            # Discarded, and its number with it: what follows is a gap (LINK-1).
            return None
        self.received, self.heard_at = frame.number, time.monotonic()
        return body, value, frames

    def ping_when_due(self, wall_ms, serial):
        if time.monotonic() - self.sent_at >= PING_S:
            self.send('ping', pb.Ping(wall_ms=wall_ms, directory_serial=serial))
