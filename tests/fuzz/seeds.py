#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of the stateful fuzz targets: tests/fuzz/seeds.py [FOLDER], by default tests/fuzz/corpus.

A seed is a short program of the target's instructions that reaches deep: it says what it is for, so that nobody has to
read bytes. Findings and what fuzzing adds are in the same folders under other names.
"""
import os
import struct
import sys

CORPUS = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def write(target, name, data):
    os.makedirs(os.path.join(CORPUS, target), exist_ok=True)
    with open(os.path.join(CORPUS, target, "seed-" + name), "wb") as f:
        f.write(data)


# --- broker: fuzz-broker.c ---

(HELLO, PREKEYS, CREDIT, FEED_ACK, PING, SUBMIT, REPORT, AGAIN, CHUNK, CHUNK_REQUEST, BYE, RAW, GATE_DOWN, TIME, CLOCK,
 DISK, DIRECTORY, CRASH, LOSE, BEND, ASK) = range(21)
CH, DE, EC, IT = range(4)
LATER, HOLD = 0x80, 0x40      # no turn yet; the body waits for others of its frame
COA, TAKEN, REFUSED, EXPIRED, EXCEPTION = range(5)
FIELD, BODY, FRAME = range(3)
HOUR = 36000                  # of SUBMIT's expiry, in 100 ms


def op(kind, who=0, a=0, b=0, c=0, d=0, v=0):
    return struct.pack(">BBBBBBH", kind, who, a, b, c, d, v)


def submit(who, to, label=0, priority=4, size=0, expiry=HOUR, d=0):
    return op(SUBMIT, who, a=to, b=label << 4 | priority, c=size, d=d, v=expiry)


def report(who, which, outcome, code=0, d=0, v=0):
    return op(REPORT, who, a=which, b=outcome, c=code, d=d, v=v)


# What operators ask: fuzz_operators.c.
ACTIONS = "pause resume drain admit hold release retry disconnect reload expire lose propose approve withdraw lapse trust".split()
ALICE, BOB, CAROL = range(3)
DELIVERIES, LOSING, OTHER_DIGEST = 4, 4, 8
(RIGHT, AGAIN_ASKED, STRANGER, OTHER_INSTALLATION, OTHER_TIME, USED_NONCE, CHANGED) = range(7)


def ask(action, who=0, by=ALICE, of=0, how=0, wrong=RIGHT, v=0):
    b = next(x for x in range(16) if x % 3 == by and x & 12 == how)
    return op(ASK, who, a=ACTIONS.index(action), b=b, c=of, d=wrong, v=v)


def seconds(n):
    return op(TIME, a=3, v=n * 125)


def program(name, *ops, world=op(0)):
    write("broker", name, world + b"".join(ops))


TO_CH, TO_DE, TO_EC, TO_IT = 1, 2, 4, 8


def broker():
    program("accepted-arrived-taken", submit(DE, TO_IT), report(IT, 0, COA), report(IT, 0, TAKEN))
    program("refused-with-text", submit(DE, TO_IT), report(IT, 0, COA), report(IT, 0, REFUSED, 5, 1, 200),
            op(FEED_ACK, DE), op(HELLO, DE), op(HELLO, DE, 5))
    program("several-recipients", submit(DE, TO_CH | TO_EC | TO_IT), report(CH, 0, COA), report(EC, 0, EXCEPTION, 3),
            report(IT, 0, COA), report(IT, 0, EXPIRED, 1))
    program("movement", *[submit(DE | HOLD, TO_IT, 1, p) for p in (4, 9, 4)], submit(DE, TO_IT, 2, 6),
            report(IT, 0, COA), report(IT, 0, COA), report(IT, 1, TAKEN), report(IT, 0, COA))
    program("expired-before-arrival", submit(DE, TO_IT, expiry=20), seconds(3), report(IT, 0, COA), seconds(30))
    program("after-the-end", submit(DE, TO_IT), report(IT, 0, COA), report(IT, 0, COA), report(IT, 0, TAKEN),
            report(IT, 0, REFUSED, 2), report(IT, 0, TAKEN), report(IT, 0, EXCEPTION, 2), op(AGAIN, DE), op(AGAIN, DE))
    program("refusals", op(BEND, a=FIELD, b=13 << 2, v=1), submit(DE, TO_IT),
            op(BEND, a=FIELD, b=16 << 2, c=2, v=2), submit(DE, TO_IT),
            op(BEND, a=FIELD, b=12 << 2, c=1, v=0xffff), submit(DE, TO_IT),
            op(BEND, a=FIELD, b=7 << 2, v=3), submit(DE, TO_IT),
            op(BEND, a=FIELD, b=18 << 2 | 1, c=1, v=70), submit(DE, TO_IT),
            op(BEND, a=FIELD, b=4 << 2, v=4), submit(DE, TO_IT), submit(DE, TO_IT), submit(DE, TO_IT))
    program("numbers", op(BEND, a=FIELD, b=16 | 1, v=0x4001), submit(DE, TO_IT), submit(DE, TO_IT),
            op(BEND, a=FIELD, b=16 | 1, v=0x3fff), submit(DE, TO_IT), op(AGAIN, DE), op(AGAIN, DE, 1))
    program("same-id", submit(DE, TO_IT), op(BEND, a=FIELD, b=2 << 2, v=0), submit(DE, TO_IT), submit(CH, TO_IT),
            op(BEND, a=FIELD, b=2 << 2, v=0), submit(CH, TO_IT), report(IT, 0, COA))
    program("id-of-a-refused", op(BEND, a=FIELD, b=13 << 2, v=1), submit(DE, TO_IT), op(BEND, a=FIELD, b=2 << 2, v=0),
            submit(DE, TO_IT), submit(DE, TO_IT, size=5), op(CHUNK, DE, 2, 0), op(BEND, a=FIELD, b=2 << 2, v=2),
            op(BEND, a=FIELD, b=13 << 2, v=1), submit(DE, TO_CH), op(CHUNK, DE, 2, 1))
    program("report-of-another-shard", submit(DE, TO_IT), op(BEND, a=FIELD, b=8 << 3, v=2), report(IT, 0, COA),
            report(IT, 0, COA))
    program("large", submit(DE, TO_IT | TO_CH, size=5), op(CHUNK, DE, 0, 0), op(CHUNK, DE, 0, 1), report(IT, 0, COA),
            op(CHUNK_REQUEST, IT, 0, 0), op(CHUNK_REQUEST, IT, 0, 1), op(CHUNK_REQUEST, CH, 0, 1), report(IT, 0, TAKEN))
    program("large-given-up", submit(DE, TO_IT, size=5), op(CHUNK, DE, 0, 0), op(CRASH, a=1), op(AGAIN, DE),
            op(CHUNK, DE, 0, 1, 2), seconds(50), seconds(50), submit(DE, TO_IT, size=5), op(CHUNK, DE, 0, 0))
    program("large-then-small-of-its-id", submit(DE, TO_IT, size=5), op(CHUNK, DE, 0, 0),
            op(BEND, a=FIELD, b=2 << 2, v=0), submit(DE, TO_IT), op(CHUNK, DE, 0, 1), report(IT, 0, COA),
            submit(DE, TO_IT, size=5), op(CHUNK, DE, 2, 0), op(BEND, a=FIELD, b=2 << 2, v=2), submit(CH, TO_IT),
            op(CHUNK, DE, 2, 1))
    program("directory-with-hello", op(HELLO, DE | LATER), op(DIRECTORY, IT, 0, 1), op(PING, DE))
    program("disk-full", op(DISK, a=1), submit(DE, TO_IT), op(DISK), op(AGAIN, DE), report(IT, 0, COA))
    anchor = [op(DISK, a=2, b=back, v=size) for back, size in ((2, 900), (2, 5), (3, 5), (1, 5), (0, 5), (40, 5), (2, 0), (2, 16384), (2, 16385))]
    program("anchors", *anchor, submit(DE, TO_IT), op(DISK, a=2 | 1, b=2, v=70), *anchor, report(IT, 0, COA), op(CRASH), *anchor,
            op(LOSE), *anchor)
    program("silence", submit(DE, TO_IT), seconds(2), op(PING, IT), seconds(15), op(PING, IT), seconds(19), op(PING, DE),
            seconds(25), op(HELLO, IT), op(CREDIT, IT, 20, v=50), report(IT, 0, COA))
    program("no-credit", op(HELLO, IT), *[submit(DE, TO_IT)] * 3, op(CREDIT, IT, 20, v=1), op(CREDIT, IT, 20, v=2),
            report(IT, 1, COA), op(CREDIT, IT, 20, v=9), report(IT, 0, COA), report(IT, 0, COA))
    program("quota", *[submit(DE, TO_IT)] * 4, seconds(2), report(IT, 0, COA), seconds(2), submit(DE, TO_IT),
            world=op(0, v=2))
    program("suspended", op(DIRECTORY, IT, 0, 1), submit(DE, TO_IT), submit(IT, TO_DE), op(DIRECTORY, IT, 0, 0),
            report(IT, 0, COA), submit(IT, TO_DE), report(IT, 0, TAKEN))
    program("revoked", submit(DE, TO_IT, 1), submit(DE, TO_IT, 1), submit(DE, TO_IT), report(IT, 0, COA),
            op(DIRECTORY, IT, 0, 2), submit(DE, TO_IT), op(PING, IT), op(DIRECTORY, IT, 0, 0), submit(DE, TO_IT))
    program("directory-expires", op(DIRECTORY, a=1, v=1), submit(DE, TO_IT), seconds(30), submit(DE, TO_IT),
            op(DIRECTORY, a=3), op(DIRECTORY, a=3, b=1, c=3, v=99), op(DIRECTORY, a=1, v=60000), submit(DE, TO_IT))
    program("unlisted", submit(DE, TO_IT), op(DIRECTORY, a=2, b=1), submit(DE, TO_IT), report(IT, 0, COA),
            op(DIRECTORY, a=2, b=0), report(IT, 0, COA))
    program("clock", op(CLOCK, a=12, v=1000), submit(DE, TO_IT), op(PING, DE), op(PING, IT), op(PING, CH),
            op(CLOCK, a=12, b=1, v=1000), submit(DE, TO_IT), op(HELLO, DE, 2, 1, v=0x8000), op(PING, CH, 1, v=0xffff))
    program("crashes", submit(DE | LATER, TO_IT), op(CRASH, a=0), op(AGAIN, DE), report(IT | LATER, 0, COA),
            op(CRASH, a=1), op(HELLO, IT), op(CREDIT, IT, 20, v=9), report(IT, 0, TAKEN), op(CRASH, a=2))
    program("another-connection", op(HELLO, DE, 1, 1), op(HELLO, DE, 1, 2), op(HELLO, DE, 1, 1), op(HELLO, DE, 1, 2),
            submit(DE, TO_IT), op(GATE_DOWN, DE), submit(DE, TO_IT), op(BYE, IT), report(IT, 0, COA))
    program("head-beyond", submit(DE, TO_IT), op(HELLO, IT, 3), submit(DE, TO_IT), report(IT, 0, COA), op(CRASH, a=1),
            submit(DE, TO_IT), op(DIRECTORY, IT, 0, 1))
    program("prekeys", op(PREKEYS, DE, v=100), op(PREKEYS, DE, 1, v=100), op(PREKEYS, DE, 0, 0x21 | IT << 1, 1, v=100),
            op(PREKEYS, DE, 0, 0x20, 7, v=1), op(PREKEYS, IT, 2, v=9), submit(IT, TO_DE), op(PREKEYS, IT, 1, d=1, v=0xffff))
    program("lost-disk", submit(DE, TO_IT, 1), submit(DE, TO_IT, 1), report(IT, 0, COA), op(LOSE),
            *[op(HELLO, m) for m in range(4)], op(AGAIN, DE, 0, d=1), op(AGAIN, DE, 1, d=1),
            op(CREDIT, IT, 20, v=99), report(IT, 0, COA), report(IT, 0, TAKEN), submit(DE, TO_IT), report(IT, 0, COA))
    program("lost-disk-out-of-order", submit(DE, TO_IT), submit(DE, TO_IT), submit(DE, TO_IT), op(LOSE),
            op(DISK, a=1), op(AGAIN, DE, 1, d=1), op(DISK), op(AGAIN, DE, 2, d=1), op(AGAIN, DE, 1, d=1),
            op(AGAIN, DE, 2, d=1), op(AGAIN, DE, 0, d=1))
    program("lost-disk-false-head", submit(DE, TO_IT), op(LOSE), op(BEND, a=FIELD, b=16 << 2, c=3, v=2),
            submit(DE, TO_IT), op(AGAIN, DE, 1, d=1), op(BEND, a=FIELD, b=16 << 2, c=3, v=2), submit(DE | HOLD | LATER, TO_IT),
            op(AGAIN, DE, 2, d=1), op(AGAIN, DE, 0, d=1))
    program("bent-frames", *[x for at in (0, 3, 9) for x in
                             (op(BEND, a=FRAME, b=1 << at % 5, v=at), submit(DE, TO_IT), op(HELLO, DE))],
            op(BEND, a=FRAME, b=0x20, c=1, v=30), submit(DE, TO_IT), op(HELLO, DE),
            op(BEND, a=FRAME, b=0x40), submit(DE, TO_IT), op(HELLO, DE), op(BEND, a=FRAME, b=0x60), submit(DE, TO_IT))
    program("bent-bodies", op(BEND, a=BODY, b=0x10, v=40), submit(DE, TO_IT), op(BEND, a=BODY, b=0xc1, v=50),
            submit(DE, TO_IT), submit(DE, TO_IT), op(BEND, a=BODY, b=1, v=44), report(IT, 0, COA))
    program("bent-reports", submit(DE, TO_IT),
            *[x for f in range(13) for x in (op(BEND, a=FIELD, b=f << 3, v=3), report(IT, 0, COA))], report(IT, 0, COA),
            report(IT, 0, EXCEPTION, 1), op(BEND, a=FIELD, b=10 << 3, v=1), report(IT, 0, COA))
    program("raw", op(RAW, DE, 2), b"\x08\x01\x10\x02\x1a\x00\x00\x00" * 2, op(RAW, IT, 1, 2), b"\xff" * 8)
    program("many", *[submit(m | HOLD, 15 & ~(1 << m), label, p) for m in range(4) for label in range(3) for p in (2, 7)],
            *[report(m | HOLD, i, COA) for m in range(4) for i in range(6)],
            *[report(m, i, i % 3 + 1, 2) for m in range(4) for i in range(6)])
    operators = [ask("pause", IT), submit(DE, TO_IT), ask("pause", IT), ask("resume", IT, CAROL), ask("hold", IT), ask("hold", IT),
                 submit(DE, TO_IT), ask("release", IT), ask("drain"), submit(DE, TO_IT), ask("admit"), op(AGAIN, DE),
                 ask("retry", IT), ask("retry", IT, of=0, how=DELIVERIES), ask("disconnect", IT), ask("reload")]
    program("operators", *operators, ask("trust"), ask("expire", IT), ask("lapse"))
    program("operators-wrong", submit(DE, TO_IT), ask("hold", IT, CAROL), *[x for wrong in range(1, 7) for x in (
        ask("drain", wrong=wrong, v=77), ask("admit", wrong=wrong, v=78), ask("drain", v=1), ask("admit"))])
    program("operators-several", *[submit(DE, TO_IT, n % 2) for n in range(4)], ask("hold", IT, v=3), ask("release", IT, of=1, v=1),
            ask("hold", IT, v=3), ask("hold", IT, of=1, v=3), ask("release", IT, of=2), ask("hold", IT, of=0, v=3),
            ask("propose", IT, of=1, v=4), report(IT, 0, COA), op(CRASH, a=1), ask("release", IT))
    program("operators-and-crashes", *[x for how in range(3) for x in (
        submit(DE, TO_IT), *[y for action in ("pause", "resume", "drain", "admit", "hold", "release", "propose") for y in (
            ask(action, IT | LATER, of=how), op(CRASH, a=how))], ask("approve", IT | LATER, BOB), op(CRASH, a=how))])
    program("proposals", submit(DE, TO_IT), submit(DE, TO_IT, 1), ask("propose", IT, v=1), ask("approve", how=OTHER_DIGEST),
            ask("approve", by=CAROL), ask("approve"), ask("approve", by=BOB), ask("approve", by=BOB), submit(DE, TO_IT),
            ask("propose", IT, of=2), ask("withdraw"), ask("propose", IT, BOB, of=2), report(IT, 0, COA), ask("approve"),
            ask("withdraw", by=BOB), ask("propose", IT, of=2, how=LOSING), op(CRASH, a=1), ask("approve", by=BOB), submit(DE, TO_IT))
    day = op(TIME, a=11, v=42188)
    program("proposals-lapse", submit(DE, TO_IT, expiry=0xffff), ask("propose", IT), ask("propose", IT, BOB), day, ask("approve", by=BOB),
            op(HELLO, DE), submit(DE, TO_IT), ask("propose", IT, of=1), ask("propose", IT | LATER, of=1), day, op(CRASH, a=2),
            op(HELLO, DE), submit(DE, TO_IT, expiry=0xffff), *[ask("propose", IT, of=2)] * 34, ask("lapse"),
            ask("propose", IT, of=2), op(CRASH, a=2), ask("approve", by=BOB))
    program("proposal-too-late", submit(DE, TO_IT, expiry=0xffff), ask("propose", IT), ask("hold", IT),
            op(CLOCK, LATER, a=11, v=42188), ask("approve", by=BOB), ask("release", IT), report(IT, 0, COA))
    program("operators-lost-disk", submit(DE, TO_IT), *operators, ask("pause", IT), ask("drain"), ask("hold", IT),
            ask("propose", IT, v=1), op(LOSE), *[op(HELLO, m) for m in range(4)], op(AGAIN, DE, 0, d=1), ask("propose", IT), ask("approve", IT, BOB),
            ask("hold", IT), ask("release", IT), ask("drain"), op(AGAIN, DE, 1, d=1), ask("admit"), op(AGAIN, DE, 1, d=1))
    program("unjoined", op(SUBMIT, DE | 0x20, 8, v=9), op(CREDIT, IT, v=1), submit(DE, TO_IT), world=op(0, a=1))


# --- changes to something good: { action, where, value }; action 0 xor, 2 set, 3 cut to a length ---

def change(*changes):
    return b"".join(struct.pack(">BHB", *c) for c in changes)


def many(target, prefix, *cases):
    for i, case in enumerate(cases):
        write(target, "%s-%d" % (prefix, i), case)


def varint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)


# --- envelope: fuzz-envelope.c ---

def envelope():
    raw, changed, anew, container, content, content_changed, identifier = range(7)
    for sample, name in enumerate(("header", "report", "prekeys")):
        what = changed + 7 * sample
        many("envelope", name, bytes([what]), bytes([what]) + change((0, 20, 1)), bytes([what]) + change((0, 300, 1)),
             bytes([what]) + change((3, 100, 0)), bytes([what]) + change((2, 3, 8), (0, 1, 1)))
    for hashes in (0, 6, 7):   # a path longer than that of the largest batch is none
        signature = b"\x0d\x01\x02\x03\x04\x10\x07\x18\x40\x20\x05" + (
            b"\x2a" + varint(32 * hashes) + bytes(32 * hashes) if hashes else b"") + b"\x32\x40" + bytes(64)
        many("envelope", "path-%d" % hashes, bytes([raw]) + b"\x0a\x03\x08\x81\x02\x12" + varint(len(signature)) + signature)
    many("envelope", "batch", bytes([anew, 1, 65]), bytes([anew]) + b"\x02ab" * 64, bytes([anew]) + b"\x01a\x02bc\x00" * 9)
    many("envelope", "container", bytes([container, 0]), bytes([container, 1]), *[
        bytes([container, at & 1]) + change((0, at, 1)) for at in (4, 5, 6, 8, 40, 64, 70, 120, 130, 178, 250, 400)],
        bytes([container, 0]) + change((3, 100, 0)), bytes([container, 1]) + change((3, 700, 0)))
    many("envelope", "content", bytes([content_changed]), bytes([content_changed + 7]), *[
        bytes([content_changed + 7 * (at & 1)]) + change((0, at, 1)) for at in (3, 5, 24, 40, 50, 60, 64, 66, 70, 75, 90)],
        bytes([content]) + bytes(256), bytes([content]) + b"\x00\x00\x00\x00" + bytes(252))
    many("envelope", "identifier", *[bytes([identifier]) + t for t in (
        b"26DE123456789012J0", b"18IT1234567890ABC5", b"26DE12345678901210A123456", b"DE123456", b"DE", b"2026a")])


# --- receipts: fuzz-receipts.c ---

def receipts():
    note, note_changed, text, path, consistency, item, key, path_raw = range(8)
    size = lambda n: n - 1   # of the log
    many("receipts", "note", bytes([note_changed, size(1)]), bytes([note_changed, size(21)]), *[
        bytes([note_changed, size(7)]) + change((0, at, 1)) for at in (2, 18, 20, 40, 66, 70, 90, 120, 170)])
    root = b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    many("receipts", "text", *[bytes([text, 0]) + t for t in (
        b"tmx.test/log/2026a\n3\n" + root + b"\n", b"tmx.test/log/2026a\n03\n" + root + b"\n",
        b"tmx.test/log/2026a\n3\n" + root + b"\nmore\n", b"other\n281474976710655\n" + root + b"\n",
        b"tmx.test/log/2026a\n3\n" + root[:-2] + b"V=\n", b"a\n\nb\n", b"\xe2\x80\x94 x y\n", b"\xff\n")])
    many("receipts", "path", *[bytes([path, size(n), i, i]) for n, i in ((1, 0), (2, 1), (7, 6), (8, 3), (21, 20), (21, 4))],
         bytes([path, size(21), 4, 5]), bytes([path, size(21), 4, 4]) + change((0, 40, 1)),
         bytes([path, size(21), 4, 4]) + change((3, 96, 0)), bytes([path, size(21), 4, 4]) + change((3, 224, 0)),
         bytes([path_raw, size(4), 0, 0]) + bytes(64))
    many("receipts", "consistency", *[bytes([consistency, size(n), m, m]) for n, m in (
        (1, 1), (2, 1), (7, 4), (8, 6), (21, 0), (21, 20), (21, 21))], bytes([consistency, size(21), 9, 10]),
         bytes([consistency, size(21), 9, 9]) + change((0, 33, 4)), bytes([consistency, size(8), 4, 4]) + change((3, 0, 0)))
    many("receipts", "item", bytes([item, size(1)]) + b"\x12\x06leaf 0", bytes([item, size(2)]) + b"\x08\x01\x12\x06leaf 1",
         bytes([item, size(2)]) + b"\x12\x06leaf 0\x1a\x20" + bytes(32))
    many("receipts", "key", bytes([key, 0]) + b"example.com/foo+530be1f9+AaEtm+DSmcpPjFeMGJ5pTVkDmmvw/5VVTRYtNmEWmJ5C",
         bytes([key, 0]) + b"a+b+c", bytes([key, 0]) + b"x+00000000+AQ==")


# --- export: fuzz-export.c ---

def export():
    entry, file, raw, name, bundle, head, authority, answers, listed = range(9)
    many("export", "entry", *[bytes([entry, i]) for i in range(13)], *[
        bytes([entry, i]) + change((0, at, 1)) for i in (0, 1, 3, 4, 5, 8, 12) for at in (1, 4, 12, 30, 60)])
    many("export", "file", *[bytes([file, f]) for f in range(5)], *[
        bytes([file, f]) + change((0, at, 1)) for f in range(5) for at in (0, 1, 10, 25, 70, 100)], *[
        bytes([file, f]) + change((3, at, 0)) for f in range(5) for at in (0, 30)])
    many("export", "raw", bytes([raw, 0]) + b"\x00\x00\x04\x08\x09\x10\x01", bytes([raw, 0]) + b"\x0d\x00\x02\x08\x09" * 3)
    many("export", "name", *[bytes([name, 0]) + t for t in (
        b"tile/0/000", b"tile/0/x001/000.p/13", b"tile/entries/x123/x456/789", b"tile/entries/000.p/256", b"tile/9/000",
        b"tile/5/x999/x999/x999/x999/x999/999", b"tile/0/1", b"tile/entries/000/")])
    many("export", "bundle", bytes([bundle, 0]) + b"\x00\x02ab\x00\x00\x00\x01c", bytes([bundle, 0]) + b"\x00\x05ab")
    root = b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    many("export", "head", *[bytes([head, 0]) + b"tmx.test/log/2026a\n" + n + b"\n" + root for n in (
        b"1", b"12", b"13", b"14", b"256", b"281474976710655")], bytes([head, 0]) + b"nothing\n1\n" + root)
    many("export", "authority", bytes([authority, 0]) + b"threshold 1\ntmx.test/authority/1+530be1f9+AaEtm+DSmcpPjFeMGJ5pTVkDmmvw/5VVTRYtNmEWmJ5C\n",
         bytes([authority, 0]) + b"threshold 9\n")
    payload, unchanged = 0x40, 0x80
    many("export", "answers", *[bytes([answers, a]) for a in range(3)], *[
        bytes([answers, p | a]) + change((0, at, v)) for p in (0, payload) for a in range(3)
        for at, v in ((3, 1), (16, 1), (40, 3), (100, 1), (300, 2))],
        *[bytes([answers, unchanged | a]) + t for a, t in (
            (0, b'{"checkpoint":5}'), (0, b'{"error":"no\\n\\u0007"}'), (1, b'{"serial":0}'), (1, b'{"serial":-1}'),
            (1, b'{"serial":7}'), (1, b'{"serial":9223372036854775807}'), (2, b'{"entries":0}'), (2, b'{"entries":1}'),
            (2, b'{"entries":14}'), (2, b'{"entries":-1}'), (2, b'[]'), (2, b"{"))],
        *[bytes([answers, unchanged | payload | a]) + t for a, t in (
            (1, b""), (1, b"AAAA"), (2, b""), (2, b"\0\0\0\0\0\0\0\0\0\0"), (2, b"\0\1a\0\1a\0\1a\0\1a\0\1a"), (2, b"\xff\xff"))])
    many("export", "old-heads", *[bytes([answers, a]) for a in (3, 4)], *[bytes([file, f]) + change((0, at, 1)) for f in (2, 5) for at in (0, 25, 100)], *[
        bytes([answers, p | 3]) + change((0, at, v)) for p in (0, payload) for at, v in ((3, 1), (10, 2), (30, 1), (120, 1))],
        *[bytes([answers, unchanged | a]) + t for a, t in (
            (3, b'{"hour":1}'), (3, b'{"hour":-1}'), (3, b'{"hour":9223372036854775807}'), (4, b'{"size":5,"index":9}'),
            (4, b'{"size":5,"index":4}'), (4, b'{"size":9223372036854775807,"index":9223372036854775807}'), (4, b'{"size":-5}'))],
        *[bytes([answers, unchanged | payload | a]) + t for a, t in ((3, b""), (3, b"a\n1\nb\n\n"), (4, b"token"))])


    line = b"SHA256 (checkpoint) = " + b"0" * 64 + b"\n"
    many("export", "list", bytes([listed, 0]), bytes([listed, 2]), *[bytes([listed, 0]) + change((0, at, 1)) for at in (0, 8, 20, 60, 200)],
         *[bytes([listed, 1]) + t for t in (b"", line, line * 2, line[:-1], b"\0\n", line.replace(b"check", b"\0heck"), b"x" * 600)],
         *[bytes([listed, 3]) + t for t in (b"", b"untrusted comment: x\nRWQ=\n", b"untrusted comment: x\nRWQ" + b"A" * 97 + b"=\n")])


# --- fold: fuzz-fold.c ---

def fold():
    payload, raw = 0x40, 0x80
    many("fold", "whole", *[bytes([t, rows]) for t in range(8) for rows in (0, 1, 7)])
    many("fold", "document", *[bytes([t, 1]) + change((0, at, 1)) for t in (0, 2, 4, 6) for at in (8, 9, 20, 30, 40)])
    many("fold", "rows", *[bytes([payload | t, 2]) + change((0, at, 1)) for t in range(8) for at in (0, 7, 20, 39)])
    many("fold", "raw", *[bytes([raw | 2, 0]) + t for t in (
        b'{"size":13,"rows":0}', b'{"size":13,"rows":1}', b'{"size":0,"rows":0}', b'{"size":-1,"rows":0}',
        b'{"size":9223372036854775807,"rows":0}', b'{"size":13,"rows":9223372036854775807}', b'{"size":13,"rows":1,"next":""}',
        b'{"size":13,"rows":1,"next":"00"}', b'{"size":13,"rows":1,"next":"' + b"ff" * 65 + b'"}', b'{"error":"damaged"}', b"[]")],
        *[bytes([raw | payload | t, 0]) + b"A" * n for t, n in ((0, 40), (2, 24), (4, 73), (6, 39), (7, 0))])


# --- evidence: fuzz-evidence.c ---

def evidence():
    raw, changed, parts = range(3)
    drop, repeat, swap, take = range(4)
    samples = 20
    many("evidence", "raw", *[bytes([raw, 0]) + t for t in (
        b"\x08\x01\x12\x10" + bytes(16), b"\x08\x02\x12\x10", b"TMX1", b"threshold 1\n", b"tmx.test/log/2026a\n",
        b"\x08\x01\x12\x10" + bytes(16) + b"\x1a\x01x\x22\x01y\x2a\x03\x0a\x01z",
        b"\x08\x01\x12\x10" + bytes(16) + b"\x1a\x00" * 99)])
    many("evidence", "whole", *[bytes([changed, i]) for i in range(samples)])
    many("evidence", "changed", *[bytes([changed, i]) + change((0, at, 1)) for i in (0, 2, 12, 15) for at in (
        1, 20, 24, 60, 700, 1100, 1200, 1300, 1500, 2200)], *[bytes([changed, i]) + change((3, at, 0)) for i in (0, 8) for at in (22, 900)])
    many("evidence", "part", *[bytes([parts, i, action, place, 0, 0]) for i in (0, 8, 12, 14) for action in (drop, repeat, swap)
                               for place in (0, 2, 5, 6, 7)])
    many("evidence", "taken", *[bytes([parts, i, take, place, i + 1, 0]) for i in (0, 7, 12, 15) for place in (0, 1, 3, 4, 5, 6, 7)],
         bytes([parts, 12, drop, 1, 0, 0, drop, 1, 0, 0]), bytes([parts, 3, take, 0, 4, 0, take, 1, 4, 1, take, 2, 4, 2]))


# --- control: fuzz-control.c ---

def control():
    many("control", "question", *[b"\x05" + t for t in (
        b"status\n", b"peers\n", b"queue\n", b"queue IT\n", b"queue XX\n", b"queue %49%54\n",
        b"message 77777777777777779977777777777777\n", b"message 7\n", b"message 00000000000000000000000000000000\n",
        b"directory show\n", b"directory install\nnot a directory", b"log-head\n", b"log-entries 0 9\n",
        b"log-entries 18446744073709551615 256\n", b"log-entries 1 257\n", b"log-entries 281474976710656 1\n", b"log-directory 1\n", b"log-directory 2\n", b"log-directory x\n", b"reload\n", b"nonsense\n",
        b"\n", b"", b"status", b"status \n", b"%\n", b"%4\n", b"%zz\n", b"%00\n", b"a b c d e f g h i\n", b"status\nmore",
        b"x" * 4097)], b"\x00log-entries 0 1\n", b"\xffqueue IT\n", *[b"\x05" + t for t in (
        b"log-checkpoint 0\n", b"log-checkpoint 480000\n", b"log-checkpoint x\n", b"log-anchor 1\n", b"log-anchor 99\n", b"anchor show\n",
        b"anchor install 1\ntoken", b"anchor install 9999\ntoken", b"anchor install 1\n", b"anchor install x\ntoken", b"history\n", b"history recent\n",
        b"history of\n")])
    many("control", "why", *[b"\x05why " + t + b"\n" for t in (
        b"IT", b"DE", b"CH", b"XX", b"TOOLONGAWORD", b"", b"77777777777777779977777777777777", b"00000000000000000000000000000000", b"IT DE")])
    many("control", "evidence", *[b"\x05evidence " + t + b"\n" for t in (
        b"77777777777777779977777777777777", b"00000000000000000000000000000000", b"7", b"", b"7 7")])
    many("control", "trace", *[b"\x05trace" + t + b"\n" for t in (b"", b" 0", b" 3", b" 99999", b" x", b" 0 0")])
    many("control", "state", *[b"\x05log-state " + t + b"\n" for t in (
        b"directory", b"prekey-sets", b"pairs", b"messages", b"deliveries", b"refused-ids", b"refusals", b"destinations",
        b"deliveries 77777777777777779977777777777777", b"messages ff", b"messages " + b"ff" * 64, b"messages " + b"ff" * 65,
        b"pairs 0", b"pairs 0x", b"pairs 00 00", b"tables", b"")])
    many("control", "operator", *[b"\x05" + t for t in (
        b"operators\n", b"operations\n", b"proposals\n", b"operate\n", b"operate\ntmx-operation@v1\n", b"select expire - 0 -\n",
        b"select release IT 0 CD001C\n", b"select hold XX 0 -\n", b"select retry - x -\n", b"select retry - 0 - " + b"ff" * 32 + b"\n",
        b"select expire - 0 - ff\n", b"select expire MEMBER999 0 -\n", b"select\n", b"log-state stops\n", b"log-state holds\n",
        b"log-state proposals\n")])


if __name__ == "__main__":
    broker()
    envelope()
    receipts()
    export()
    fold()
    evidence()
    control()
