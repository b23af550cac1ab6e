#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What operators ask of a daemon, timed: queued.py TITLE SOCKET TMXCTL HTTP [NAME=COMMAND …]; COMMAND as typed after tmxctl.

A line each: the median and the longest of so many runs of the program; what CPU the daemon took for one; and how long its loop was
held up at most meanwhile: the longest answer to a question that costs it nothing, asked all the time, which the CPU is of, too. The
first line is of nothing else asked.
"""
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

RUNS, FEW = 21, 3
LONG_MS = 2000   # what takes longer is run only a few times, as the pages
FRESH_S = 1.05   # after that long a page is made anew


def ask(path, words):
    """The answer to one request over the control socket."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(words.encode() + b'\n')
        s.shutdown(socket.SHUT_WR)
        return b''.join(iter(lambda: s.recv(1 << 20), b''))


class Probe(threading.Thread):
    """Asks for what costs the daemon nothing, all the time: what it waits is what others hold the loop up."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.ended, self.longest = path, threading.Event(), 0.0

    def run(self):
        while not self.ended.wait(0.002):
            at = time.monotonic()
            ask(self.path, 'operators')
            self.longest = max(self.longest, time.monotonic() - at)

    def end(self):
        self.ended.set()
        self.join()
        return self.longest * 1000


def cpu_ms(pid):
    """Of the thread that does it all."""
    return int(open(f'/proc/{pid}/schedstat').read().split()[0]) / 1e6


def timed(path, pid, action, pause=0.0):
    probe = Probe(path)
    probe.start()
    took, cpu = [], 0.0
    while len(took) < RUNS and not (len(took) >= FEW and (pause > 0 or took[-1] > LONG_MS)):
        time.sleep(pause)
        at, before = time.monotonic(), cpu_ms(pid)
        action()
        took.append((time.monotonic() - at) * 1000)
        cpu += cpu_ms(pid) - before
    return statistics.median(took), max(took), cpu / len(took), probe.end()


def typed(tmxctl, path, command):
    words = [tmxctl, '--socket', path, *command.split()]
    r = subprocess.run(words, capture_output=True, check=False, text=True)
    if r.returncode in (3, 64):
        sys.exit(f'queued.py: {command}: {r.returncode}: {r.stderr}')


def main():
    title, path, tmxctl, http, *commands = sys.argv[1:]
    actions = [('nothing', lambda: time.sleep(0.1), 0)]
    for named in commands:
        name, _, command = named.partition('=')
        actions.append((name, lambda command=command: typed(tmxctl, path, command), 0))
    for page in '/metrics', '/', '/status.json', '/history.json':
        actions.append((f'GET {page}', lambda page=page: urllib.request.urlopen(f'http://{http}{page}').read(), FRESH_S))
    pid = json.loads(ask(path, 'status'))['pid']
    print(f'{title}\n  {"":28}{"median ms":>10}{"longest":>10}{"CPU":>8}{"loop held up":>14}')
    for name, action, pause in actions:
        median, longest, cpu, held = timed(path, pid, action, pause)
        print(f'  {name:28}{median:10.1f}{longest:10.1f}{cpu:8.1f}{held:14.1f}', flush=True)
    rss = next(line for line in open(f'/proc/{pid}/status') if line.startswith('RssAnon'))
    print(f'  memory: RssAnon {int(rss.split()[1]) / 1024:.1f} MiB')


if __name__ == '__main__':
    main()
