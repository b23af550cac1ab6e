# SPDX-License-Identifier: Apache-2.0
"""An exported log: C2SP tiles, read without the exchange's own auditor (LOG-1, LOG-5)."""
from .log import Distrust
from .merkle import leaf_hash, tree_hash
from .note import open_note, read_checkpoint

TILE = 256


def bundle(folder, number, width):
    """Entries of one bundle: each is a 16-bit size and its bytes."""
    name = ''.join(f'x{part:03}/' for part in thousands(number)[:-1]) + f'{thousands(number)[-1]:03}'
    data = (folder / 'tile/entries' / (name if width == TILE else f'{name}.p/{width}')).read_bytes()
    entries = []
    while data:
        size = int.from_bytes(data[:2], 'big')
        entries.append(data[2:2 + size])
        data = data[2 + size:]
    assert len(entries) == width
    return entries


def thousands(number):
    return (thousands(number // 1000) if number >= 1000 else []) + [number % 1000]


def read(folder, log):
    """All entries, once they make the root of the exported checkpoint; it may be later than `log`, never earlier."""
    head = read_checkpoint(open_note((folder / 'checkpoint').read_text(), log.origin, log.key), log.origin)
    size, root = head
    full, rest = divmod(size, TILE)
    entries = [entry for n in range(full) for entry in bundle(folder, n, TILE)] + (bundle(folder, full, rest) if rest else [])
    leaves = [leaf_hash(entry) for entry in entries]
    if tree_hash(leaves) != root or size < log.size or tree_hash(leaves[:log.size]) != log.root:
        raise Distrust('the export is not of this log')
    return entries
