# SPDX-License-Identifier: Apache-2.0
"""The node: its session with the broker, its feed, what it knows. It keeps its state in memory only."""
import time

from . import body, content, seal
from .batch import Signer, key_name
from .canonical import Malformed, audit, link, pack, parse
from .digest import blake2b
from .directory import Directory
from .inbox import Inbox
from .keys import Prekeys
from .log import Distrust, Log
from .merkle import consistent, hashes
from .note import open_note, read_checkpoint
from .outbox import Outbox
from .session import Ended, Session
from .witness import Policy, Witness

WINDOW_MESSAGES, WINDOW_BYTES = 64, 8 << 20


class Node:
    def __init__(self, code, keys, directory_file, authority, context):
        self.code, self.keys, self.context = code, keys, context
        self.directory = Directory(directory_file, authority)
        self.signer = Signer(key_name(self.directory.federation, code.decode()), keys.signing)
        self.prekeys, self.outbox, self.inbox = Prekeys(), Outbox(self), Inbox(self)
        self.witness = Witness(f'tmx.{self.directory.federation}/witness/{code.decode()}', keys.witness)
        self.cosigned = None                      # the newest head that a quorum has cosigned: size, how many did
        self.log = self.session = None
        self.feed, self.feed_next, self.refused_prekeys = [], 0, []
        self.taken_messages = self.taken_bytes = self.pongs = 0

    # --- the session ----------------------------------------------------------------------------------------------

    def connect(self):
        """Opens a session; whatever is unanswered goes out again."""
        gate = self.directory.gate(self.code)
        self.disconnect()
        self.session = Session(self.context, gate.endpoint.decode(), gate.curve_key, self.keys.curve_public, self.keys.curve_secret)
        welcome = self.session.greet(link.Hello(
            member=self.code, generation=1, feed_next=self.feed_next, checkpoint=self.log.checkpoint if self.log else b'',
            directory_serial=self.directory.serial, wall_ms=body.now_ms(), software=b'tmxspec', shard=self.log.shard if self.log else b''))
        if self.log is None:
            self.log = Log(welcome.shard, self.directory.origin(welcome.shard), self.directory.log_key(welcome.shard))
        if welcome.shard != self.log.shard:
            raise Distrust('another shard')
        # No head: that of the hello is still the broker's.
        if welcome.HasField('head') or not self.log.size:
            self.log.advance(welcome.head)
        assert welcome.feed_next <= self.feed_next, 'the feed begins behind what was read (FEED-6)'
        self.outbox.limit(welcome.send_limits)
        self.taken_messages = self.taken_bytes = 0
        self.give_credit()
        self.inbox.resend(everything=True)
        self.inbox.resume()
        self.outbox.resend(everything=True)
        return welcome

    def disconnect(self):
        if self.session:
            self.session.close()
        self.session = None

    def give_credit(self):
        self.session.send('credit', link.Credit(messages=self.taken_messages + WINDOW_MESSAGES, bytes=self.taken_bytes + WINDOW_BYTES))

    def until(self, condition, seconds, what):
        """Takes frames until the condition holds; an assertion error names what did not come."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f'{what}: not in {seconds} s'
            self.step(0.2)

    def step(self, timeout):
        """At most one frame."""
        self.session.ping_when_due(body.now_ms(), self.directory.serial)
        self.inbox.resend()
        self.outbox.resend()
        self.take(self.session.receive(timeout))

    def take(self, taken):
        if taken is None:
            return
        name, message, frames = taken
        handler = getattr(self, f'on_{name}', None)
        if handler is None:
            raise Ended(f'a broker does not send {name}')
        handler(message, frames)

    # --- frames of the broker -------------------------------------------------------------------------------------

    def proved(self, message, frames):
        """The leaves of a Feed or Deliver, proved in the head that came with them or before."""
        if message.HasField('head'):
            self.log.advance(message.head)
        items = [parse(link.FeedItem, frame) for frame in frames]
        return [(item, self.log.entry(item, message.tree_size)) for item in items]

    def on_feed(self, feed, frames):
        for item, entry in self.proved(feed, frames):
            self.on_leaf(item.index, entry, item.attachment)
            # Others are answers to what was sent again; the feed holds them in their turn (FEED-4).
            if self.feed_next <= item.index < feed.feed_next:
                self.feed.append((item.index, entry))
        self.feed_next = max(self.feed_next, feed.feed_next)
        self.session.send('feed_ack', link.FeedAck(feed_next=self.feed_next))

    def on_deliver(self, deliver, frames):
        for (item, entry), container in zip(self.proved(deliver, frames[::2]), frames[1::2]):
            self.taken_messages += 1
            self.taken_bytes += body.read_header(entry.body).container_bytes
            self.inbox.deliver(item, entry, container, deliver.redelivery)
        self.give_credit()

    def on_send_limits(self, limits, _):
        self.outbox.limit(limits.limits)

    def on_deferred(self, verdict, _):
        (self.outbox if verdict.message_id in self.outbox.sent else self.inbox).deferred(verdict)

    def on_chunk_request(self, request, _):
        self.outbox.send_chunk(request)

    def on_chunk(self, chunk, frames):
        self.inbox.chunk(chunk, frames[0])

    def on_directory(self, push, frames):
        """A later directory, by the keys of the one in force (DIR-3, DIR-4)."""
        later = Directory(frames[0], self.directory.authority)
        if later.serial != push.serial or later.serial < self.directory.serial:
            raise Distrust('an older directory')
        if later.serial == self.directory.serial and later.data != self.directory.data:
            raise Distrust('two directories of one serial')
        self.directory = later

    def on_witness(self, _, frames):
        """A head to cosign; here what was cosigned lives no longer than the node does."""
        status, answer = self.witness.answer(frames[0], self.log.origin, self.log.key, body.now_ms() // 1000)
        self.session.send('witness_reply', link.WitnessReply(status=status), answer)

    def on_cosigned(self, cosigned, frames):
        """A head of this history that the quorum of the directory's policy has cosigned (WIT-4)."""
        if cosigned.HasField('head'):
            self.log.advance(cosigned.head)
        note = frames[0].decode()
        head = read_checkpoint(open_note(note, self.log.origin, self.log.key) or '', self.log.origin)
        if not head or cosigned.tree_size != self.log.size or not consistent(*head, self.log.size, self.log.root,
                                                                             hashes(cosigned.consistency)):
            raise Distrust('a cosigned head that is not of this history')
        count, since = Policy(self.directory.body.witness_policy.decode()).count(note)
        if since is None:
            raise Distrust('a head that no quorum has cosigned')
        self.cosigned = head[0], count

    def on_pong(self, pong, _):
        self.pongs += 1

    def pong(self):
        """Whatever the broker had to say before it saw this ping is here afterwards."""
        seen = self.pongs
        self.session.send('ping', link.Ping(wall_ms=body.now_ms(), directory_serial=self.directory.serial))
        self.until(lambda: self.pongs > seen, 10, 'a pong')

    # --- leaves ---------------------------------------------------------------------------------------------------

    def on_leaf(self, index, entry, attachment):
        mine = entry.member == self.code
        kind = entry.kind
        if kind in (audit.ENTRY_ACCEPTANCE, audit.ENTRY_RESUBMISSION) and mine:
            self.outbox.accepted(index, entry)
        elif kind == audit.ENTRY_REPORT and mine:
            self.inbox.own_report(index, entry)
        elif kind == audit.ENTRY_REPORT:
            self.outbox.reported(entry, attachment)
        elif kind == audit.ENTRY_REFUSAL and mine:
            self.on_refusal(entry)
        elif kind in (audit.ENTRY_EXPIRED, audit.ENTRY_EXCEPTION) and mine:
            self.outbox.ended(index, entry)
        elif kind == audit.ENTRY_PREKEYS:
            self.on_prekeys(entry)
        elif kind == audit.ENTRY_DIRECTORY and entry.number == self.directory.serial and \
                entry.digest != blake2b(self.directory.data):
            raise Distrust('the log names other bytes of the directory in force')

    def on_refusal(self, entry):
        kind = body.kind_of(entry.body)
        if kind == body.KIND_HEADER:
            self.outbox.refused(entry)
        elif kind == body.KIND_REPORT:
            self.inbox.refused(entry)
        else:
            self.refused_prekeys.append(entry.code)

    def on_prekeys(self, entry):
        prekey_set = body.read_prekey_set(entry.body)
        if prekey_set.member != entry.member or not self.directory.signed_by(entry.member, entry.body, entry.signature):
            raise Distrust('a prekey set its member did not sign')
        self.prekeys.take(prekey_set)

    # --- doing ----------------------------------------------------------------------------------------------------

    def publish(self):
        """New dated keys; a leaf of the feed says that they are published."""
        signed = self.signer.sign([self.keys.new_prekey_set(self.code, self.directory.serial)])[0]
        self.session.send('publish', link.Publish(), pack(signed))

    def seal_reason(self, text, header):
        """The reason of a refusal, for the sender's eyes only (REP-6)."""
        prekey = self.prekeys.now(self.directory.member(header.sender))
        plaintext = content.fill(header.message_id, header.message_type, text, False, media_type=b'text/plain')
        return seal.seal(header.message_id, self.code, [header.sender], [prekey], plaintext)

    def open_reason(self, attachment, header, recipient):
        plaintext = seal.open_container(attachment, header.message_id, recipient, [self.code], 0, self.keys.secrets)
        inner, text = content.read(plaintext)
        if (inner.message_id, inner.message_type) != (header.message_id, header.message_type):
            raise Malformed('a reason for another message')
        return text
