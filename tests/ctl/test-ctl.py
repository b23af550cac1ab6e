# SPDX-License-Identifier: Apache-2.0
"""tmxctl against a fake daemon: what it asks, its screen (golden/NAME.txt) and its exit code, for every case of answers.py.

test-ctl.py TMXCTL [--write]: with --write the golden files are written anew, to be read before they are committed."""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

import answers

HERE = os.path.dirname(os.path.abspath(__file__))


def serve(listener, answer, heard):
    """Each client in turn: everything it says, then the answer; of a list of answers each client gets one, and after the last one
    there are no more clients."""
    for one in answer if isinstance(answer, list) else [answer]:
        client, _ = listener.accept()
        with client:
            while True:
                data = client.recv(65536)
                if not data:
                    break
                heard.append(data)
            client.sendall(one if isinstance(one, bytes) else json.dumps(one).encode())


def run(program, folder, arguments, answer, heard, columns):
    path = os.path.join(folder, "control")
    thread = None
    if answer is not None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        thread = threading.Thread(target=serve, args=(listener, answer, heard), daemon=True)
        thread.start()
    environment = {"LC_ALL": "C", "PATH": os.environ["PATH"]}
    if columns is not None:
        environment["COLUMNS"] = str(columns)
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        if name in os.environ:
            environment[name] = os.environ[name]
    result = subprocess.run([program, "--broker", "RUN"] + arguments, cwd=os.path.dirname(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, env=environment, timeout=30)
    if thread is not None:
        thread.join(10)
        listener.close()
        os.unlink(path)
    text = result.stdout.decode().replace(program, "tmxctl")
    return result.returncode, text


def check(program, case, write):
    """None, or what is wrong."""
    name, arguments, request, attachment, answer, code = case[:6]
    columns = case[6] if len(case) > 6 else 120
    heard = []
    with tempfile.TemporaryDirectory(prefix="tmxctl") as top:
        folder = os.path.join(top, "RUN")   # its name is on the screen, which is broken by how long that is
        os.mkdir(folder)
        file = os.path.join(folder, "directory.tmx")
        with open(file, "wb") as f:
            f.write(attachment)
        arguments = [os.path.join("RUN", "directory.tmx") if a == "FILE" else a for a in arguments]
        if name == "down-status":
            then = int(time.time() * 1000) - 5 * 3600000
            stale = dict(answers.broker, at_ms=then,
                         directory={"serial": 12, "expires_at_ms": then + 60 * answers.DAY},
                         keys={"prekeys_until_at_ms": then + 29 * answers.DAY, "prekeys_of": "CH"})
            with open(os.path.join(folder, "status.json"), "w") as f:
                json.dump(stale, f)
        got_code, text = run(program, folder, arguments, answer, heard, columns)
    if name == "down-status":
        text = re.sub(r"[0-9-]{10} [0-9:]{8} UTC", "TIME UTC", text)
        text = re.sub(r"first, [0-9-]{10}", "first, DAY", text)
    golden = os.path.join(HERE, "golden", name + ".txt")
    if write:
        with open(golden, "w") as f:
            f.write(text)
    with open(golden) as f:
        expected = f.read()
    if text != expected:
        return f"screen:\n{text}expected:\n{expected}"
    if got_code != code:
        return f"exit code {got_code}, expected {code}"
    attached = b"" if "--authority" in arguments else attachment   # that file is not sent
    expected_bytes = b"" if request is None else request.encode() + b"\n" + attached
    if b"".join(heard) != expected_bytes:
        return f"asked {b''.join(heard)!r}, expected {expected_bytes!r}"
    return None


def main():
    program = os.path.abspath(sys.argv[1])
    write = "--write" in sys.argv
    failed = 0
    known = {c[0] + ".txt" for c in answers.CASES}
    print(f"1..{len(answers.CASES) + 1}")
    for number, case in enumerate(answers.CASES, 1):
        wrong = check(program, case, write)
        print(f"{'not ok' if wrong else 'ok'} {number} - {case[0]}")
        if wrong:
            failed += 1
            print("".join(f"# {line}\n" for line in wrong.splitlines()), end="")
    extra = sorted(set(os.listdir(os.path.join(HERE, "golden"))) - known)
    print(f"{'not ok' if extra else 'ok'} {len(answers.CASES) + 1} - every golden file has its case {' '.join(extra)}")
    return 1 if failed or extra else 0


sys.exit(main())
