#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A daemon that lies: it hands on what a real one answers to `message` and `evidence`, with one byte of the evidence bent, or with
the evidence of another message.

usage: bend_answers.py TMXCTL SOCKET MESSAGE OTHER AUTHORITY [PLACES]     bends PLACES bytes (40), one after the other: tmxctl has to
notice each (exit code 2, a line that is not verified, or that nothing can be read), and to take what is not bent. A witness with another
name is nobody, and not looked at: where all have cosigned, the quorum is missing then, and the screen says so."""
import os
import socket
import subprocess
import sys
import tempfile
import threading

tmxctl, real, message, other, authority = sys.argv[1:6]
places = int(sys.argv[6]) if len(sys.argv) > 6 else 40


def ask(words):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(real)
        s.sendall(words.encode() + b'\n')
        s.shutdown(socket.SHUT_WR)
        answer = b''
        while True:
            more = s.recv(65536)
            if not more:
                return answer
            answer += more


shown, evidence = ask('message ' + message), ask('evidence ' + message)
document, bundle = evidence.split(b'\n', 1)
other_evidence = ask('evidence ' + other)
assert b'"payload"' in document and len(bundle) > 500, evidence


def serve(listener, answers):
    for _ in range(2):
        client, _ = listener.accept()
        with client:
            asked = b''
            while not asked.endswith(b'\n'):
                asked += client.recv(4096)
            client.sendall(answers[asked.split()[0]])


def screen(folder, answer):
    path = os.path.join(folder, 'control')
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(2)
        thread = threading.Thread(target=serve, args=(listener, {b'message': shown, b'evidence': answer}), daemon=True)
        thread.start()
        done = subprocess.run([tmxctl, '--socket', path, '--authority', authority, 'message', message], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=30)
        thread.join(10)
    os.unlink(path)
    return done.returncode, done.stdout


NO_QUORUM = 'not cosigned by a quorum'


def noticed(code, text, whole):
    return code == 2 and 'NOT VERIFIED' in text or code == 0 and NO_QUORUM in text and NO_QUORUM not in whole


with tempfile.TemporaryDirectory(prefix='tmx-bend') as folder:
    code, whole = screen(folder, evidence)
    assert code == 0 and '\u2713' in whole and '\u2717' not in whole, whole
    code, text = screen(folder, other_evidence)
    assert code == 2 and 'about another message' in text, f'evidence of another message: {code} {text}'
    crossed = kept = 0
    for i in range(places):
        at = i * len(bundle) // places
        bent = bytearray(bundle)
        bent[at] ^= 1 << i % 8
        code, text = screen(folder, document + b'\n' + bytes(bent))
        assert noticed(code, text, whole), f'{text}byte {at} of {len(bundle)}: {code}'
        crossed += '\u2717' in text
        kept += '\u2713' in text
    assert crossed > 0 and kept > 0, f'{crossed} with a line that is crossed out, {kept} with one that still holds'
print(f'{places} bent bytes noticed, {crossed} of them in lines, beside {kept} where other lines still hold')
