# SPDX-License-Identifier: Apache-2.0
"""The broker's log as a node sees it: heads that grow consistently, leaves proved in them (LINK-5..7, LOG-1)."""
from .canonical import audit, envelope, parse
from .merkle import consistent, hashes, leaf_hash, path_root
from .note import open_note, read_checkpoint


class Distrust(Exception):
    """The broker showed something that contradicts its log. Nothing of it is used any more (LINK-6)."""


class Log:
    """The highest verified head of one shard."""

    def __init__(self, shard, origin, key):
        self.shard, self.origin, self.key = shard, origin, key
        self.size, self.root, self.checkpoint = 0, b'', b''
        self.updates, self.seen = 0, None

    def advance(self, update):
        """Takes a HeadUpdate; its proof has to lead from the head known here."""
        try:
            text = open_note(update.checkpoint.decode(), self.origin, self.key)
        except ValueError:
            text = None
        head = text and read_checkpoint(text, self.origin)
        if not head:
            raise Distrust('a checkpoint that does not verify')
        size, root = head
        if getattr(update, 'from') != self.size:
            raise Distrust(f'the proof leads from {getattr(update, "from")}, not from {self.size}')
        if self.size and not consistent(self.size, self.root, size, root, hashes(update.consistency)):
            raise Distrust(f'{size} leaves are not consistent with {self.size}')
        self.size, self.root, self.checkpoint = size, root, update.checkpoint
        self.updates += 1

    def entry(self, item, tree_size):
        """The LogEntry of a FeedItem, once it is proved to be in the log."""
        if tree_size != self.size:
            raise Distrust(f'a proof at {tree_size}, the head is {self.size}')
        if path_root(item.index, self.size, leaf_hash(item.entry), hashes(item.path)) != self.root:
            raise Distrust(f'leaf {item.index} is not in the log')
        return parse(audit.LogEntry, item.entry)

    def check_seen(self, seen, proof):
        """The head a delivery's header has seen is one of this log (LINK-12)."""
        if seen.shard != self.shard or (seen.size, seen.root) == self.seen:
            return
        if seen.size > self.size or not consistent(seen.size, seen.root, self.size, self.root, hashes(proof)):
            raise Distrust(f'the sender was shown another log of {seen.size} leaves')
        self.seen = seen.size, seen.root

    def head(self):
        """What headers and reports say their signer has seen."""
        return envelope.Head(shard=self.shard, size=self.size, root=self.root)

    def reference(self, index):
        return envelope.LogRef(shard=self.shard, index=index)
