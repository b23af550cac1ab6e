# SPDX-License-Identifier: Apache-2.0
"""An exported log: C2SP tiles, read without the exchange's own auditor (LOG-1, LOG-5, LOG-10)."""
from .log import Distrust
from .merkle import leaf_hash, tree_hash
from .note import open_note, read_checkpoint

TILE = 256


def bundle(folder, number, width):
    """Entries of one bundle: each is a 16-bit size and its bytes."""
    data = (folder / 'tile/entries' / (tile(number) if width == TILE else f'{tile(number)}.p/{width}')).read_bytes()
    entries = []
    while data:
        size = int.from_bytes(data[:2], 'big')
        entries.append(data[2:2 + size])
        data = data[2 + size:]
    assert len(entries) == width
    return entries


def tile(number):
    return ''.join(f'x{part:03}/' for part in thousands(number)[:-1]) + f'{thousands(number)[-1]:03}'


def thousands(number):
    return (thousands(number // 1000) if number >= 1000 else []) + [number % 1000]


def min_index(folder, size):
    """Before which entry the export is pruned."""
    if not (folder / 'min-index').exists():
        return 0
    line = (folder / 'min-index').read_text()
    index = int(line)
    if line != f'{index}\n' or index % TILE or not 0 < index <= size - TILE:
        raise Distrust('min-index is none')
    return index


def pruned_leaves(folder, number):
    """The hashes of the entries of a bundle that is not there."""
    if (folder / 'tile/entries' / tile(number)).exists():
        raise Distrust('a bundle is there that is pruned')
    data = (folder / 'tile/0' / tile(number)).read_bytes()
    if len(data) != TILE * 32:
        raise Distrust('a tile is none')
    return [data[i:i + 32] for i in range(0, len(data), 32)]


def read_kept(folder, origin, key):
    """(index of the first, entries), once they and the hashes of those that are pruned make the root of the exported
    checkpoint; (leaves, size and root) beside."""
    size, root = read_checkpoint(open_note((folder / 'checkpoint').read_text(), origin, key), origin)
    first = min_index(folder, size)
    full, rest = divmod(size, TILE)
    entries = [e for n in range(first // TILE, full) for e in bundle(folder, n, TILE)] + (bundle(folder, full, rest) if rest else [])
    leaves = [leaf for n in range(first // TILE) for leaf in pruned_leaves(folder, n)] + [leaf_hash(entry) for entry in entries]
    if tree_hash(leaves) != root:
        raise Distrust('the export is not of this log')
    return first, entries, leaves


def read(folder, log):
    """The entries, once they make the root of the exported checkpoint; it may be later than `log`, never earlier."""
    _, entries, leaves = read_kept(folder, log.origin, log.key)
    if len(leaves) < log.size or tree_hash(leaves[:log.size]) != log.root:
        raise Distrust('the export is not of this log')
    return entries
