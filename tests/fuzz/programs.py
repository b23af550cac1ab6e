#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random programs for fuzz-broker: programs.py FOLDER COUNT SEED.

Most of what they say makes sense by itself, so that they get far: messages, reports, operators, time, crashes. libFuzzer
changes programs that are there; these are new ones."""
import os
import random
import sys

from seeds import (ACTIONS, AGAIN, ASK, CLOCK, CRASH, CREDIT, DIRECTORY, DISK, GATE_DOWN, HELLO, HOUR, LATER, LOSE, PREKEYS, REPORT,
                   SUBMIT, TIME, op)

OFTEN = ["hold", "release", "propose", "approve"]


def instruction(draw):
    """One of the weights below, each with its fields."""
    who = draw.randrange(4) | (LATER if draw.random() < 0.15 else 0)
    later = who & LATER
    kinds = {
        SUBMIT: (18, lambda: op(SUBMIT, who, draw.choice([1, 2, 4, 8, 10, 15]), draw.randrange(4) << 4 | draw.randrange(10),
                                draw.choice([0, 0, 0, 5]), 0, draw.choice([20, 300, HOUR, 0xffff]))),
        REPORT: (18, lambda: op(REPORT, who, draw.randrange(4), draw.randrange(5), draw.randrange(6))),
        AGAIN: (4, lambda: op(AGAIN, who, draw.randrange(8), d=draw.randrange(2))),
        HELLO: (3, lambda: op(HELLO, who, draw.choice([0, 0, 0, 0, 1, 5]))),
        CREDIT: (3, lambda: op(CREDIT, who, 20, v=draw.choice([5, 60, 1000]))),
        TIME: (4, lambda: op(TIME, later, draw.choice([3, 8, 11]), v=draw.choice([5, 125, 1250, 21000, 42188]))),
        CLOCK: (2, lambda: op(CLOCK, later, draw.choice([8, 11]), draw.randrange(2), v=draw.choice([100, 3000, 42188]))),
        DIRECTORY: (2, lambda: op(DIRECTORY, who, draw.choice([0, 0, 2]), draw.randrange(3))),
        DISK: (2, lambda: op(DISK, later, draw.randrange(2))),
        CRASH: (4, lambda: op(CRASH, a=draw.randrange(3))),
        LOSE: (0.5, lambda: op(LOSE)),
        GATE_DOWN: (1, lambda: op(GATE_DOWN, who)),
        PREKEYS: (2, lambda: op(PREKEYS, who, v=0x7000)),
        ASK: (38, lambda: op(ASK, who, ACTIONS.index(draw.choice(ACTIONS + 2 * OFTEN)), draw.choice([0, 1, 3, 4, 7, draw.randrange(256)]),
                             draw.randrange(8), draw.choice([0] * 20 + [1, 2, 3, 4, 5, 6]), draw.choice([0, 0, 1, 3]))),
    }
    kind, = draw.choices(list(kinds), [weight for weight, _ in kinds.values()])
    return kinds[kind][1]()


def main():
    folder, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    draw = random.Random(seed)
    for n in range(count):
        world = op(0, a=draw.random() < 0.1, v=draw.choice([0, 0, 3]))
        with open(os.path.join(folder, f"{seed}-{n}"), "wb") as f:
            f.write(world + b"".join(instruction(draw) for _ in range(draw.randrange(20, 160))))


main()
