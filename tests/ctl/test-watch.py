# SPDX-License-Identifier: Apache-2.0
"""tmxctl status --watch in a terminal of its own, against a fake daemon: the second screen is entered and left, what it shows follows
the daemon and the size of the terminal, q, SIGINT and SIGTERM end it with the terminal as it was, and a daemon that hangs or goes away
holds nothing up.

test-watch.py TMXCTL"""
import copy
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

import answers

HISTORY = {"document": 1, "at_ms": answers.NOW, "step_ms": 10000, "ago_ms": [30000, 20000, 10000, 0], "length_ms": [10000] * 4,
           "counters": {"accepted": [0, 10, 20, 70], "delivered": [0, 0, 0, 0]}, "levels": {},
           "latency": {"delivered_ms": {"p50": [None, 9, 9, 9], "p99": [None, 10, 20, 40]}}}


class Daemon:
    """Answers status and history until it is stopped; `mute`: takes the question and says nothing."""

    def __init__(self, folder):
        self.status, self.mute = copy.deepcopy(answers.broker), False
        self.path = os.path.join(folder, "control")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.kept = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            asked = b""
            while not asked.endswith(b"\n"):
                asked += client.recv(4096)
            if self.mute:
                self.kept.append(client)
                continue
            client.sendall(json.dumps(self.status if asked == b"status\n" else HISTORY).encode())
            client.close()

    def gone(self):
        os.unlink(self.path)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Terminal:
    """A program on a pseudo terminal, and everything it wrote."""

    def __init__(self, arguments, rows, columns):
        self.master, slave = pty.openpty()
        self.size(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.program = subprocess.Popen(arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        env=dict(os.environ, LC_ALL="C", NO_COLOR="1"))
        self.text = ""

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, condition, seconds=20):
        """Reads until the condition holds of what came since the last call; the text."""
        end, text = time.monotonic() + seconds, ""
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    text += os.read(self.master, 65536).decode()
                except OSError:
                    pass
            if condition(text):
                self.text += text
                return text
        raise AssertionError(f"it never came; there was:\n{text}")

    def ended(self, seconds=10):
        code = self.program.wait(seconds)
        try:
            while select.select([self.master], [], [], 0.2)[0]:
                self.text += os.read(self.master, 65536).decode()
        except OSError:
            pass
        assert termios.tcgetattr(self.slave) == self.before, "the terminal is not as it was"
        assert self.text.endswith("\x1b[?25h\x1b[?1049l"), f"the first screen is not back: {self.text[-40:]!r}"
        os.close(self.master)
        os.close(self.slave)
        return code


def lines(text):
    """The last whole frame, as lines."""
    frame = text.split("\x1b[H")[-2 if text.count("\x1b[H") > 1 else -1]
    return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in frame.split("\r\n")]


def frames(n):
    return lambda text: text.count("q ends it") >= n and text.endswith("\x1b[J")


def test_frames_follow_the_daemon(program, folder):
    daemon = Daemon(folder)
    t = Terminal([program, "--broker", folder, "--watch=1", "status"], 40, 100)
    first = t.read_until(frames(1))
    assert first.startswith("\x1b[?1049h\x1b[?25l"), first[:40]
    shown = lines(first)
    assert shown[0].startswith("broker of eu.transit: ok"), shown
    accepted = [line for line in shown if line.startswith("accepted ") and "most" in line]
    assert len(accepted) == 1 and "\u2581\u2582\u2583\u2588 7 /s, most 7" in accepted[0], shown
    assert any(line.startswith("99 % in") and line.endswith("40 ms, most 40 ms") for line in shown), shown
    daemon.status["health"] = "critical"
    t.read_until(lambda text: "eu.transit: critical" in text)
    daemon.gone()
    t.read_until(lambda text: "it is not running" in text)
    t.program.send_signal(signal.SIGINT)
    assert t.ended() == 3


def test_size_and_q(program, folder):
    daemon = Daemon(folder)
    daemon.status = answers.trouble
    t = Terminal([program, "--broker", folder, "-w60", "--all", "status"], 12, 160)
    shown = lines(t.read_until(frames(1)))
    assert len(shown) == 12, shown
    t.size(50, 60)
    t.program.send_signal(signal.SIGWINCH)
    shown = lines(t.read_until(frames(1)))
    assert 12 < len(shown) <= 50 and max(map(len, shown[:20])) <= 60, shown
    assert any(line.startswith("MEMBER LINK  QUEUED OLDEST") for line in shown), shown
    os.write(t.master, b"xq")
    assert t.ended() == 2
    daemon.gone()


def test_nothing_waits_for_a_daemon_that_hangs(program, folder):
    daemon = Daemon(folder)
    daemon.mute = True
    t = Terminal([program, "--broker", folder, "--watch=1", "status"], 30, 80)
    t.read_until(lambda text: "no answer in time" in text)
    daemon.mute = False
    t.read_until(lambda text: "eu.transit: ok" in text)
    t.program.send_signal(signal.SIGTERM)
    assert t.ended() == 0
    daemon.gone()


def main():
    program = os.path.abspath(sys.argv[1])
    tests = [test_frames_follow_the_daemon, test_size_and_q, test_nothing_waits_for_a_daemon_that_hangs]
    failed = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        with tempfile.TemporaryDirectory(prefix="tmxctl") as folder:
            try:
                test(program, folder)
                print(f"ok {number} - {test.__name__}")
            except AssertionError as wrong:
                failed += 1
                print(f"not ok {number} - {test.__name__}")
                print("".join(f"# {line}\n" for line in str(wrong).splitlines()), end="")
    return 1 if failed else 0


sys.exit(main())
