# SPDX-License-Identifier: Apache-2.0
"""Batch signatures: one signed note over the Merkle root of up to 64 bodies (BAT-1..4)."""
import time

from . import ed25519
from .canonical import envelope
from .merkle import hashes, leaf_hash, path, path_root, tree_hash
from .note import checkpoint_text, key_id

BATCH_MAX = 64


def key_name(federation, member):
    return f'tmx.{federation}/node/{member}'


def text(name, batch_no, size, root):
    # The same three lines as a checkpoint's: origin, size, root.
    return checkpoint_text(f'{name}/batch/{batch_no}', size, root)


class Signer:
    """Signs as one member; a batch number is never used twice (BAT-2)."""

    def __init__(self, name, private):
        self.name, self.private, self.last = name, private, 0

    def sign(self, bodies):
        """One Signed for each body; headers, reports and prekey sets may be mixed (BAT-3)."""
        assert 1 <= len(bodies) <= BATCH_MAX
        self.last = max(self.last + 1, time.time_ns() // 1000)
        leaves = [leaf_hash(body) for body in bodies]
        signature = self.private.sign(text(self.name, self.last, len(bodies), tree_hash(leaves)).encode())
        identifier = int.from_bytes(key_id(self.name, ed25519.public_bytes(self.private)), 'big')
        return [envelope.Signed(body=body, signature=envelope.BatchSignature(
            key_id=identifier, batch_no=self.last, size=len(bodies), index=i, path=b''.join(path(i, leaves)),
            signature=signature)) for i, body in enumerate(bodies)]


def verify(body, signature, name, keys):
    """Whether one of the active `keys` of the member whose key name is `name` signed the body (BAT-1, BAT-4)."""
    if not 1 <= signature.size <= BATCH_MAX:
        return False
    root = path_root(signature.index, signature.size, leaf_hash(body), hashes(signature.path))
    if root is None:
        return False
    signed = text(name, signature.batch_no, signature.size, root).encode()
    return any(signature.key_id == int.from_bytes(key_id(name, key), 'big') and ed25519.verify(key, signature.signature, signed)
               for key in keys)
