# SPDX-License-Identifier: Apache-2.0
"""Proofs for others: that an entry is in a log (LOG-7), that a log signed two histories (LOG-8); what did not fit (LINK-6,
LINK-12)."""
import base64

from .body import read_header
from .canonical import Malformed, audit, parse
from .merkle import consistent, hashes as whole_hashes, leaf_hash, node_hash, path_root
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


def first_root(size, longer, longer_root, hashes):
    """The root of the first `size` leaves that a consistency proof says the longer tree has; None when it does not lead to that
    tree, or `size` is a power of two: then the proof does not hold it."""
    if not 0 < size < longer or not hashes or size & (size - 1) == 0:
        return None
    fn, sn = size - 1, longer - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    root = hashes[0]
    for c in hashes[1:]:   # only what is to the left of the old border is in the old tree
        if fn & 1 or fn == sn:
            root = node_hash(c, root)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        fn, sn = fn >> 1, sn >> 1
    return root if consistent(size, root, longer, longer_root, hashes) else None


def history_root(size, longer, longer_root, hashes, beside):
    """The same with the root that is said to be beside the proof, where the proof itself does not hold it."""
    held = first_root(size, longer, longer_root, hashes)
    return held or (beside if beside and size < longer and consistent(size, beside, longer, longer_root, hashes) else None)


def signed_header(data, origin, directory):
    """The header of a message that the log took in, when its sender signed it and had seen a head of that log."""
    try:
        entry = parse(audit.LogEntry, data)
        header = read_header(entry.body)
    except Malformed:
        return None
    good = (entry.kind in (audit.ENTRY_ACCEPTANCE, audit.ENTRY_RESUBMISSION) and entry.member == header.sender and
            header.HasField('seen') and directory.origin(header.seen.shard) == origin and
            directory.signed_by(header.sender, entry.body, entry.signature))
    return header if good else None


def judge_seen(fields, head, origin, directory):
    """The verdict on what a sender has seen, beside the log that its message is in (LINK-12); and that header."""
    (size, root), index = head, int(fields['index'])
    data, path, proof = (base64.b64decode(fields.get(name, ''), validate=True) for name in ('entry', 'path', 'proof'))
    header = signed_header(data, origin, directory)
    if not header or path_root(index, size, leaf_hash(data), whole_hashes(path)) != root:
        return 'unproved', header
    seen, beside = header.seen, base64.b64decode(fields.get('root', ''), validate=True)
    if seen.size > index:
        return 'fork-seen', header
    if consistent(seen.size, seen.root, size, root, whole_hashes(proof)):
        return 'fits', header
    return 'fork-seen' if history_root(seen.size, size, root, whole_hashes(proof), beside) else 'unproved', header


def take_apart(text, origin, key):
    """Reason, fields and heads of a file; a head that the log did not sign is None."""
    body, *notes = text.split('\n\n')
    name, reason, *lines = body.rstrip('\n').split('\n')
    if name != 'tmx-misbehaviour@v1' or reason not in ('not-consistent', 'not-signed', 'not-included', 'not-as-seen'):
        raise ValueError('no proof of misbehaviour')
    heads = []
    for head, signatures in zip(notes[::2], notes[1::2]):
        opened = open_note(f'{head}\n\n{signatures.rstrip()}\n', origin, key)
        heads.append(opened and read_checkpoint(opened, origin))
    return reason, {k: v for k, v in (line.split(' ') for line in lines)}, heads


def read_seen(text, origin, key, directory):
    """(sender, index of its message, size of the head that it signed it had seen) when the log has another history."""
    reason, fields, heads = take_apart(text, origin, key)
    if reason != 'not-as-seen' or not all(heads):
        return None
    verdict, header = judge_seen(fields, heads[0], origin, directory)
    return (header.sender.decode(), int(fields['index']), header.seen.size) if verdict == 'fork-seen' else None


def judge(text, origin, key, directory):
    """What a proof of misbehaviour is worth: 'fork', 'fork-seen', 'unproved', 'unsigned' or 'fits'. ValueError: it is none."""
    if text.startswith('tmx-fork@v1\n'):
        return 'fork' if read_fork(text, origin, key) else 'unproved'
    reason, fields, heads = take_apart(text, origin, key)
    if reason == 'not-signed':
        shown = base64.b64decode(fields.get('shown', ''), validate=True).decode(errors='replace')
        return 'fits' if open_note(shown, origin, key) else 'unsigned'
    if not all(heads):
        return 'unsigned'
    if reason == 'not-as-seen':
        return judge_seen(fields, heads[0], origin, directory)[0]
    hashes = whole_hashes(base64.b64decode(fields.get('proof' if reason == 'not-consistent' else 'path', ''), validate=True))
    if reason == 'not-included':
        (size, root), index = heads[0], int(fields['index'])
        entry = base64.b64decode(fields.get('entry', ''), validate=True)
        return 'fits' if path_root(index, size, leaf_hash(entry), hashes) == root else 'unproved'
    (size, root), (longer, longer_root) = heads
    if size == longer:
        return 'fits' if root == longer_root else 'fork'
    if consistent(size, root, longer, longer_root, hashes):
        return 'fits'
    beside = base64.b64decode(fields.get('root', ''), validate=True)
    return 'fork' if history_root(size, longer, longer_root, hashes, beside) else 'unproved'
