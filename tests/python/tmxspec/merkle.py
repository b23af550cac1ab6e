# SPDX-License-Identifier: Apache-2.0
"""RFC 6962 trees: roots, inclusion and consistency proofs, as verified by RFC 9162 2.1.3.2 and 2.1.4.2."""
from .digest import sha256


def leaf_hash(data):
    return sha256(b'\x00' + data)


def node_hash(left, right):
    return sha256(b'\x01' + left + right)


def split(n):
    """The largest power of two below n."""
    return 1 << (n - 1).bit_length() - 1


def tree_hash(leaves):
    """MTH over leaf hashes."""
    if not leaves:
        return sha256(b'')
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node_hash(tree_hash(leaves[:k]), tree_hash(leaves[k:]))


def path(index, leaves):
    """PATH(index, leaves), from the leaf up."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return path(index, leaves[:k]) + [tree_hash(leaves[k:])]
    return path(index - k, leaves[k:]) + [tree_hash(leaves[:k])]


def hashes(data):
    """Concatenated hashes; None when they are not whole."""
    return [data[i:i + 32] for i in range(0, len(data), 32)] if len(data) % 32 == 0 else None


def path_root(index, size, leaf, proof):
    """The root an inclusion proof leads to; None when the proof does not have the length of (index, size)."""
    if proof is None or index >= size:
        return None
    fn, sn, root = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            root = node_hash(sibling, root)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = node_hash(root, sibling)
        fn, sn = fn >> 1, sn >> 1
    return root if sn == 0 else None


def consistent(first, first_root, second, second_root, proof):
    """Whether the tree of `second` leaves begins with that of `first`."""
    if proof is None or not 0 < first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    if first & (first - 1) == 0:
        proof = [first_root] + proof
    if not proof:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == first_root and sr == second_root
