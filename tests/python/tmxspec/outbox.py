# SPDX-License-Identifier: Apache-2.0
"""Messages of this member: sealed, signed, submitted; what the log says became of them (NODE-3, REP-4, REP-5)."""
import os
import time

from . import body, content, seal
from .canonical import audit, envelope, link, pack
from .digest import blake2b
from .log import Distrust

CHUNK, RESEND_S = 256 << 10, 10


class Sent:
    """A message and its evidence."""

    def __init__(self, signed, container):
        self.signed, self.container = signed, container
        self.header = body.read_header(signed.body)
        self.acceptance = None         # LogRef
        self.refusal = None            # (code, whether its numbers are consumed)
        self.reports = {}              # (recipient, outcome) -> Report
        self.reasons = {}              # recipient -> opened reason of a negative CoD
        self.deferred = []             # codes
        self.due = 0                   # when it is sent again, unanswered

    def answered(self):
        return self.acceptance is not None or self.refusal is not None


class Outbox:
    def __init__(self, node):
        self.node, self.sent = node, {}
        self.last, self.max = {}, {}               # by recipient: the last number taken, the highest allowed
        self.label_key, self.movements = os.urandom(32), {}    # (label, recipient) -> seq of its last message

    def limit(self, limits):
        """SendLimit of the broker; `last_seq` also tells a node that lost its own count."""
        for l in limits:
            self.max[l.recipient] = l.max_seq
            self.last[l.recipient] = max(self.last.get(l.recipient, 0), l.last_seq)

    def compose(self, to, message_type, payload, compress=False, inner_type=None, **fields):
        """A header and its container; the number of the pair is not taken before `submit`."""
        node = self.node
        message_id, codes = body.new_message_id(), to if isinstance(to, list) else [to]
        plaintext = content.fill(message_id, inner_type or message_type, payload, compress, **fields)
        prekeys = [node.prekeys.now(node.directory.member(code)) for code in codes]
        container = seal.seal(message_id, node.code, codes, prekeys, plaintext)
        now, mrn = body.now_ms(), fields.get('mrn')
        label = blake2b(mrn, self.label_key, 16) if mrn else b''
        return envelope.Header(
            kind=body.KIND_HEADER, directory_serial=node.directory.serial, message_id=message_id, sender=node.code,
            recipients=[envelope.Recipient(member=code, seq=self.last.get(code, 0) + 1, prev=self.movements.get((label, code), 0))
                        for code in codes],
            message_type=message_type, movement_label=label, priority=4, sent_ms=now, expires_ms=now + body.DAY,
            container_bytes=len(container), container_digest=blake2b(container), seen=node.log.head()), container

    def submit(self, header, container, signer=None):
        """Signs and submits; takes the number. Another `signer` than the node's own is for tests."""
        return self.submit_signed((signer or self.node.signer).sign([pack(header)])[0], container)

    def submit_signed(self, signed, container):
        sent = Sent(signed, container)
        header = sent.header
        assert all(r.seq <= self.max.get(r.member, 0) for r in header.recipients), 'LINK-9'
        self.sent[header.message_id] = sent
        for r in header.recipients:
            self.last[r.member] = r.seq
            if header.movement_label:
                self.movements[header.movement_label, r.member] = r.seq
        self.send(sent)
        return sent

    def send(self, sent, resubmission=False):
        sent.due = time.monotonic() + RESEND_S
        small = sent.container if len(sent.container) <= CHUNK else b''
        self.node.session.send('submit', link.Submit(items=1, resubmission=resubmission), pack(sent.signed), small)

    def send_chunk(self, request):
        sent = self.sent.get(request.message_id)
        part = sent.container[request.offset:request.offset + CHUNK] if sent else b''
        self.node.session.send('chunk', link.Chunk(message_id=request.message_id, offset=request.offset), part)

    def resend(self, everything=False):
        """What is unanswered goes out again: in a new session, after 10 s, or when a deferral said (LINK-11)."""
        for sent in self.sent.values():
            if not sent.answered() and (everything or time.monotonic() >= sent.due):
                self.send(sent)

    def deferred(self, verdict):
        sent = self.sent[verdict.message_id]
        sent.deferred.append(verdict.code)
        sent.due = time.monotonic() + verdict.retry_ms / 1000

    def accepted(self, index, entry):
        sent = self.sent.get(body.read_header(entry.body).message_id)
        if sent is None or entry.body != sent.signed.body or entry.signature != sent.signed.signature:
            raise Distrust('the log holds a message this node never signed')
        sent.acceptance = self.node.log.reference(index)

    def refused(self, entry):
        sent = self.sent.get(body.read_header(entry.body).message_id)
        if sent is None or entry.body != sent.signed.body or sent.acceptance is not None:
            raise Distrust('a refusal of what was never sent, or was accepted')
        sent.refusal = (entry.code, entry.number == 1)
        for r in sent.header.recipients:
            if entry.number != 1 and self.last[r.member] == r.seq:
                self.last[r.member] -= 1       # not consumed: the next message takes it

    def reported(self, entry, attachment):
        """A report about a delivery of a message sent here (REP-4)."""
        report = body.read_report(entry.body)
        sent = self.sent.get(report.message_id)
        if sent is None or report.recipient != entry.member or entry.reference != report.acceptance or \
                not self.node.directory.signed_by(entry.member, entry.body, entry.signature) or \
                not body.fits(report, sent.signed.body, sent.acceptance):
            raise Distrust('a report that does not fit its message')
        if sent.reports.get((report.recipient, report.outcome)) == report:
            return
        ended = any(r == report.recipient and o != envelope.OUTCOME_COA for r, o in sent.reports)
        arrived = (report.recipient, envelope.OUTCOME_COA) in sent.reports
        if ended or arrived == (report.outcome in (envelope.OUTCOME_COA, envelope.OUTCOME_COE)):
            raise Distrust('a report the table of states does not allow')
        sent.reports[report.recipient, report.outcome] = report
        if attachment:
            if blake2b(attachment) != report.attachment_digest:
                raise Distrust('another reason than was signed')
            sent.reasons[report.recipient] = self.node.open_reason(attachment, sent.header, report.recipient)

    def ended(self, index, entry):
        """EXPIRED or EXCEPTION by the broker (REP-5)."""
        sent = self.sent[entry.message_id]
        late = entry.kind != audit.ENTRY_EXPIRED or entry.time_ms >= sent.header.expires_ms
        if not late or sent.acceptance is None or index <= sent.acceptance.index or (entry.recipient, envelope.OUTCOME_COA) in sent.reports:
            raise Distrust('an end that is not due')
        sent.reports[entry.recipient, envelope.OUTCOME_EXPIRED if entry.kind == audit.ENTRY_EXPIRED else envelope.OUTCOME_COE] = entry
