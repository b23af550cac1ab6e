# SPDX-License-Identifier: Apache-2.0
"""Proofs for others: that an entry is in a log (LOG-7), that a log signed two histories (LOG-8)."""
import base64

from .merkle import consistent, leaf_hash, path_root
from .note import open_note, read_checkpoint


def lines_to_hashes(lines):
    hashes = [base64.b64decode(line, validate=True) for line in lines]
    return hashes if all(len(h) == 32 for h in hashes) else None


def read_proof(text, origin, key):
    """(index, entry) that the proof shows to be in the log; None when it shows nothing."""
    body, _, note = text.partition('\n\n')
    lines = body.split('\n')
    head = (opened := open_note(note, origin, key)) and read_checkpoint(opened, origin)
    if not head or len(lines) < 3 or lines[0] != 'c2sp.org/tlog-proof@v1':
        return None
    if not lines[1].startswith('extra ') or not lines[2].startswith('index '):
        return None
    entry, index = base64.b64decode(lines[1][6:], validate=True), int(lines[2][6:])
    size, root = head
    return (index, entry) if path_root(index, size, leaf_hash(entry), lines_to_hashes(lines[3:])) == root else None


def read_fork(text, origin, key):
    """The two sizes for which the log signed histories that exclude each other; None when nothing is shown."""
    body, *notes = text.split('\n\n')
    lines = body.split('\n')
    if lines[0] != 'tmx-fork@v1' or len(notes) != 4:
        return None
    heads = []
    for head, signatures in (notes[:2], notes[2:]):
        opened = open_note(f'{head}\n\n{signatures.rstrip()}\n', origin, key)
        heads.append(opened and read_checkpoint(opened, origin))
    if not all(heads):
        return None
    (size, root), (longer, longer_root) = heads
    if size == longer:
        return (size, longer) if len(lines) == 1 and root != longer_root else None
    if len(lines) < 2 or not lines[1].startswith('root '):
        return None
    other = lines_to_hashes([lines[1][5:]])
    hashes = lines_to_hashes(lines[2:])
    forked = other and hashes is not None and other[0] != root and consistent(size, other[0], longer, longer_root, hashes)
    return (size, longer) if forked else None
