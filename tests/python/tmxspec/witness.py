# SPDX-License-Identifier: Apache-2.0
"""Witnesses of the log: cosignature/v1 lines, and how many a policy asks for (c2sp.org/tlog-cosignature, tlog-policy)."""
import base64

from . import ed25519
from .merkle import consistent
from .note import DASH, key_id, open_note, read_checkpoint, read_vkey

COSIGNATURE = b'\x04'


def cosigned(note, name, public):
    """When the witness cosigned, in seconds; None when it did not. ValueError: it is said to have, and has not."""
    text, _, lines = note.rpartition('\n\n')
    times = []
    for line in lines.splitlines():
        _, line_name, encoded = line.split(' ')
        data = base64.b64decode(encoded, validate=True)
        if not line.startswith(DASH) or line_name != name or data[:4] != key_id(name, public, COSIGNATURE):
            continue
        time = int.from_bytes(data[4:12], 'big')
        if len(data) != 76 or not ed25519.verify(public, data[12:], f'cosignature/v1\ntime {time}\n{text}\n'.encode()):
            raise ValueError(f'the cosignature of {name} does not verify')
        times.append(time)
    return min(times, default=None)


class Policy:
    """Witnesses, groups of them, and the quorum."""

    def __init__(self, text):
        self.witnesses, self.groups, self.quorum = {}, {}, None
        for words in (line.split() for line in text.splitlines()):
            if not words or words[0].startswith('#') or words[0] == 'log':
                continue
            if words[0] == 'witness':
                self.witnesses[words[1]] = read_vkey(words[2], COSIGNATURE)
            elif words[0] == 'group':
                k = {'any': 1, 'all': len(words) - 3}.get(words[2]) or int(words[2])
                self.groups[words[1]] = (k, words[3:])
            elif words[0] == 'quorum':
                self.quorum = words[1]
        if self.quorum is None:
            raise ValueError('a policy without quorum')

    def count(self, note):
        """(how many witnesses cosigned, when the quorum was complete or None)"""
        times = {name: cosigned(note, *key) for name, key in self.witnesses.items()}
        for name, (k, members) in self.groups.items():
            known = sorted(times[m] for m in members if times[m] is not None)
            times[name] = known[k - 1] if len(known) >= k else None
        return sum(times[name] is not None for name in self.witnesses), times[self.quorum]


class Witness:
    """What this member has cosigned: one head, each continuing the one before (WIT-2)."""

    def __init__(self, name, private):
        self.name, self.private, self.size, self.root = name, private, 0, b''

    def answer(self, request, origin, key, seconds):
        """(status, body) for the body of a request (c2sp.org/tlog-witness)."""
        head, blank, note = request.decode().partition('\n\n')
        first, *proof = head.split('\n')
        if not blank or not first.startswith('old ') or not first[4:].isdigit() or len(proof) > 63:
            return 400, b''
        if note.split('\n')[0] != origin:
            return 404, b''
        text = open_note(note, origin, key)
        if text is None:
            return 403, b''
        size, root = read_checkpoint(text, origin)
        if int(first[4:]) > size:
            return 400, b''
        if int(first[4:]) != self.size or size == self.size and root != self.root:
            return 409, f'{self.size}\n'.encode()
        hashes = [base64.b64decode(line, validate=True) for line in proof]
        if self.size and not consistent(self.size, self.root, size, root, hashes):
            return 422, b''
        self.size, self.root = size, root
        signature = self.private.sign(f'cosignature/v1\ntime {seconds}\n{text}'.encode())
        line = key_id(self.name, ed25519.public_bytes(self.private), COSIGNATURE) + seconds.to_bytes(8, 'big') + signature
        return 200, f'{DASH}{self.name} {base64.b64encode(line).decode()}\n'.encode()
