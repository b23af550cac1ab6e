# SPDX-License-Identifier: Apache-2.0
"""Messages for this member: verified, opened, confirmed (NODE-4, NODE-5, NODE-6, NODE-9, FEED-3)."""
import time

from . import body, content, seal
from .canonical import Malformed, audit, envelope, link, pack
from .digest import blake2b
from .log import Distrust

CHUNK, CHUNKS, RESEND_S = 256 << 10, 4, 10
PROBE = b'TMXPROBE'
CANNOT_OPEN, CONTENT_MISMATCH, CONTENT_INVALID, REFUSED = 403, 404, 405, 601


class Received:
    """A message that arrived, and this node's reports about it."""

    def __init__(self, header_bytes, acceptance):
        self.header_bytes, self.header, self.acceptance = header_bytes, body.read_header(header_bytes), acceptance
        self.content = self.payload = None
        self.reports = {}              # outcome -> Signed, as made
        self.logged = {}               # outcome -> index of its leaf, verified
        self.refusals = []             # (code, reference) of reports the broker refused
        self.due = 0                   # when reports without a leaf are sent again

    def unproved(self):
        return [signed for outcome, signed in self.reports.items() if outcome not in self.logged]


class Pull:
    """A container that comes in chunks (LINK-10)."""

    def __init__(self, item, entry, size):
        self.item, self.entry, self.size = item, entry, size
        self.parts, self.asked = {}, 0

    def done(self):
        return sum(map(len, self.parts.values())) == self.size


class Inbox:
    def __init__(self, node):
        self.node, self.received, self.pulls = node, {}, {}
        self.deliveries = self.redeliveries = 0
        self.mute = False              # a test's own: reports get lost on their way

    def deliver(self, item, entry, container, redelivery):
        self.deliveries += 1
        self.redeliveries += redelivery
        if entry.kind not in (audit.ENTRY_ACCEPTANCE, audit.ENTRY_RESUBMISSION):
            raise Distrust('a delivery without acceptance')
        header = body.read_header(entry.body)
        if header.HasField('seen'):
            self.node.log.check_seen(header.seen, item.seen)
        known = self.received.get(header.message_id)
        if known:
            # A duplicate gets the same reports, byte for byte.
            self.send(known.reports.values())
        elif container or header.container_bytes <= CHUNK:
            self.take(item, entry, container)
        else:
            pull = self.pulls.setdefault(header.message_id, Pull(item, entry, header.container_bytes))
            self.ask(header.message_id, pull)

    def ask(self, message_id, pull):
        """At most four requests outstanding."""
        while pull.asked < pull.size and pull.asked - sum(map(len, pull.parts.values())) < CHUNKS * CHUNK:
            self.node.session.send('chunk_request', link.ChunkRequest(message_id=message_id, offset=pull.asked))
            pull.asked += CHUNK

    def chunk(self, chunk, part):
        pull = self.pulls.get(chunk.message_id)
        if pull is None or not part:
            return
        pull.parts[chunk.offset] = part
        if not pull.done():
            self.ask(chunk.message_id, pull)
            return
        del self.pulls[chunk.message_id]
        self.take(pull.item, pull.entry, b''.join(part for _, part in sorted(pull.parts.items())))

    def resend(self, everything=False):
        """Reports without a leaf go out again: in a new session, after 10 s, or when a deferral said (FEED-3, LINK-11)."""
        for received in self.received.values():
            if received.unproved() and (everything or time.monotonic() >= received.due):
                received.due = time.monotonic() + RESEND_S
                self.send(received.unproved())

    def deferred(self, verdict):
        self.received[verdict.message_id].due = time.monotonic() + verdict.retry_ms / 1000

    def resume(self):
        """In a new session pulls go on from where they stopped (LINK-10)."""
        for message_id, pull in self.pulls.items():
            pull.asked = CHUNK * len(pull.parts)
            self.ask(message_id, pull)

    def take(self, item, entry, container):
        """Everything NODE-4 asks for; then the message is here and a CoA says so."""
        header = body.read_header(entry.body)
        to = [r.member for r in header.recipients]
        if header.sender != entry.member or not self.node.directory.signed_by(entry.member, entry.body, entry.signature):
            raise Distrust('a delivery its sender did not sign')
        if len(container) != header.container_bytes or blake2b(container) != header.container_digest or self.node.code not in to:
            raise Distrust('a container of another header')
        received = Received(entry.body, self.node.log.reference(item.index))
        code = self.open(received, container, to)
        if code is not None:
            self.received[header.message_id] = received
            self.report(received, envelope.OUTCOME_COE if code else envelope.OUTCOME_COA, code)

    def open(self, received, container, to):
        """0, the code of the exception, or None when no report is due: the secret is not here (NODE-5)."""
        header, position = received.header, to.index(self.node.code)
        try:
            plaintext = seal.open_container(container, header.message_id, header.sender, to, position, self.node.keys.secrets)
            received.content, received.payload = content.read(plaintext)
        except seal.NoPrekey:
            return None
        except seal.CannotOpen:
            return CANNOT_OPEN
        except Malformed:
            return CONTENT_INVALID
        same = (received.content.message_id, received.content.message_type) == (header.message_id, header.message_type)
        return 0 if same else CONTENT_MISMATCH

    def make(self, received, outcome, code=0, attachment=b''):
        return body.report(received.header_bytes, received.acceptance, self.node.code, outcome, code, self.node.directory.serial,
                           self.node.log.head(), attachment)

    def report(self, received, outcome, code=0, attachment=b''):
        """Signs a report, keeps it and sends it until its leaf is here (FEED-3)."""
        signed = self.node.signer.sign([self.make(received, outcome, code, attachment)])[0]
        signed.attachment = attachment
        received.reports[outcome] = signed
        received.due = time.monotonic() + RESEND_S
        self.send([signed])

    def send(self, reports):
        frames = [pack(signed) for signed in reports]
        if frames and not self.mute:
            self.node.session.send('reports', link.Reports(items=len(frames)), *frames)

    def offered(self):
        """What an application may have: its CoA is proved in the log, and it has no outcome (NODE-6)."""
        return [r for r in self.received.values() if envelope.OUTCOME_COA in r.logged and len(r.reports) == 1]

    def acknowledge(self, received):
        self.report(received, envelope.OUTCOME_COD_POSITIVE)

    def refuse(self, received, text):
        self.report(received, envelope.OUTCOME_COD_NEGATIVE, REFUSED, self.node.seal_reason(text, received.header))

    def own_report(self, index, entry):
        """A report of this node is a leaf now: it has to be the one it made."""
        report = body.read_report(entry.body)
        received = self.received.get(report.message_id)
        made = received and received.reports.get(report.outcome)
        if not made or entry.body != made.body or entry.signature != made.signature or entry.reference != received.acceptance:
            raise Distrust('the log holds a report this node never signed')
        received.logged[report.outcome] = index
        if report.outcome == envelope.OUTCOME_COA and received.header.message_type == PROBE and len(received.reports) == 1:
            self.acknowledge(received)   # NODE-14

    def refused(self, entry):
        report = body.read_report(entry.body)
        self.received[report.message_id].refusals.append((entry.code, entry.reference))
