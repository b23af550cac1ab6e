# SPDX-License-Identifier: Apache-2.0
"""A second verifier of evidence bundles (EVI-1..12), from the specification's section alone."""
from . import body as bodies, content, seal
from .canonical import Malformed, audit, directory as pb_directory, envelope, evidence as pb, parse
from .digest import blake2b, sha256
from .directory import Directory
from .merkle import hashes, leaf_hash, path_root
from .note import open_note, read_checkpoint
from .witness import Policy

DAY, MIB = 86400000, 1 << 20
ADMISSIONS = (audit.ENTRY_ACCEPTANCE, audit.ENTRY_RESUBMISSION)
BY_BROKER = (audit.ENTRY_EXPIRED, audit.ENTRY_EXCEPTION)
KINDS = (*ADMISSIONS, *BY_BROKER, audit.ENTRY_CARRY_DELIVERY, audit.ENTRY_PREKEYS, audit.ENTRY_REPORT, audit.ENTRY_REFUSAL,
         audit.ENTRY_ERASED)
RECIPIENT_REVOKED, RECIPIENT_LOST, ENDED_BY_OPERATORS = 401, 402, 407
PROBE = b'TMXPROBE'   # NODE-14
STATES = {envelope.OUTCOME_COA: 'arrived', envelope.OUTCOME_COD_POSITIVE: 'delivered', envelope.OUTCOME_COD_NEGATIVE: 'refused',
          envelope.OUTCOME_EXPIRED: 'expired', envelope.OUTCOME_COE: 'exception'}


class Fault(Exception):
    """The bundle breaks a requirement: nothing is said of the message."""

    def __init__(self, rule, text):
        super().__init__(f'EVI-{rule}: {text}')
        self.rule = f'EVI-{rule}'


def require(rule, condition, text):
    if not condition:
        raise Fault(rule, text)


class Head:
    """A checkpoint and the shard it is of (EVI-3)."""

    def __init__(self, note, directories):
        try:
            self.note = note.decode()
            origin = self.note.split('\n')[0]
            self.shard = origin.rpartition('/')[2].encode()
            key = next(log.key for d in reversed(directories) for log in d.body.logs if log.shard == self.shard)
            self.size, self.root = read_checkpoint(open_note(self.note, origin, key), directories[0].origin(self.shard))
        except (StopIteration, ValueError, AttributeError, TypeError):
            raise Fault(3, 'a checkpoint that no log of the directories signed') from None
        self.serial = 0

    def count(self, directories):
        """Who witnessed it, by the policy in force at its last leaf."""
        text = next(d for d in directories if d.serial == self.serial).body.witness_policy
        try:
            policy = Policy(text.decode())
        except (ValueError, IndexError, KeyError):
            return 0, None
        try:
            return (0, None) if policy.quorum == 'none' else policy.count(self.note)
        except ValueError as error:
            raise Fault(3, str(error)) from None


class Leaf:
    """An entry of the log, in one of its heads (EVI-4)."""

    def __init__(self, leaf, heads, directories):
        self.index, self.attachment, self.head = leaf.index, leaf.attachment, heads[leaf.checkpoint]
        self.shard = self.head.shard
        try:
            self.entry = parse(audit.LogEntry, leaf.entry)
        except Malformed as error:
            raise Fault(4, str(error)) from None
        self.kind = self.entry.kind
        require(4, self.kind in KINDS, 'an entry that is about no message')
        require(4, path_root(self.index, self.head.size, leaf_hash(leaf.entry), hashes(leaf.path)) == self.head.root,
                f'entry {self.index} is not in the log')
        serial = self.entry.directory_serial
        self.directory = next((d for d in directories if d.serial == serial), None)
        require(2, self.directory, f'directory {serial} is not in the bundle')
        self.head.serial = max(self.head.serial, serial)
        self.header = self.report = self.prekeys = None
        self.doubtful = False

    def refers_here(self, reference):
        return reference.shard == self.shard

    def signature_root(self):
        s = self.entry.signature
        return s.size, path_root(s.index, s.size, leaf_hash(self.entry.body), hashes(s.path))

    def read_body(self):
        """What was signed, by the rules of its kind (EVI-5)."""
        data = self.entry.body
        try:
            kind = bodies.kind_of(data)
            if kind == bodies.KIND_HEADER:
                self.header = bodies.read_header(data)
                return self.header, self.header.sender
            if kind == bodies.KIND_REPORT:
                self.report = bodies.read_report(data)
                return self.report, self.report.recipient
            self.prekeys = bodies.read_prekey_set(data)
            return self.prekeys, self.prekeys.member
        except Malformed as error:
            raise Fault(5, str(error)) from None


class Bundle:
    """Checks everything when it is made; then `states`, `slots`, `payload` … say what is proved."""

    def __init__(self, data, authority, beside=None):
        self._form(data)
        self._directories(authority)
        self.heads = [Head(note, self.directories) for note in self.pb.checkpoints]
        self._heads()
        self.leaves = [Leaf(leaf, self.heads, self.directories) for leaf in self.pb.leaves]
        self._order()
        require(3, all(head.serial for head in self.heads), 'a checkpoint that no leaf leads to')
        self.witnesses = [head.count(self.directories) for head in self.heads]
        for i, leaf in enumerate(self.leaves):
            if leaf.entry.HasField('signature'):
                self._signature(i, leaf)
        self._subject()
        for leaf in self.leaves:
            self._about(leaf)
        self._deliveries()
        for leaf in self.leaves:
            require(9, not leaf.attachment or (leaf.kind == audit.ENTRY_REPORT and
                                               blake2b(leaf.attachment) == leaf.report.attachment_digest), 'an attachment')
        self._container(beside)

    # --- EVI-1 to EVI-5 ---

    def _form(self, data):
        require(1, len(data) <= 64 * MIB, 'too large')
        try:
            self.pb = bundle = parse(pb.Evidence, data)
        except Malformed as error:
            raise Fault(1, str(error)) from None
        require(1, bundle.version == 1 and len(bundle.message_id) == 16 and len(bundle.content_key) in (0, 32), 'form')
        require(1, 1 <= len(bundle.directories) <= 64 and 1 <= len(bundle.checkpoints) <= 256 and
                1 <= len(bundle.leaves) <= 1024, 'how many parts')
        require(1, len(bundle.container) <= bodies.CONTAINER_MAX and all(len(d) <= 256 << 10 for d in bundle.directories) and
                all(len(c) <= 65536 for c in bundle.checkpoints), 'size of a part')
        require(1, all(0 < len(leaf.entry) <= 20480 and len(leaf.path) % 32 == 0 and len(leaf.path) <= 48 * 32 and
                       len(leaf.attachment) <= 1024 and leaf.checkpoint < len(bundle.checkpoints) for leaf in bundle.leaves), 'leaf')

    def _directories(self, authority):
        self.directories = []
        for data in self.pb.directories:
            try:
                d = Directory(data, self.directories[-1].authority if self.directories else authority)
            except Malformed as error:
                raise Fault(2, str(error)) from None
            prefix = f'tmx.{d.federation}/authority/'
            require(2, all(name.startswith(prefix) for name, _ in authority.keys), 'another federation')
            require(2, not self.directories or d.serial > self.directories[-1].serial, 'serials do not ascend')
            self.directories.append(d)

    def _heads(self):
        require(3, len(set(self.pb.checkpoints)) == len(self.heads), 'a checkpoint twice')
        roots = {(head.shard, head.size, head.root) for head in self.heads}
        require(3, len({place[:2] for place in roots}) == len(roots), 'the log is forked')

    def _order(self):
        order = [leaf.shard for i, leaf in enumerate(self.leaves) if i == 0 or leaf.shard != self.leaves[i - 1].shard]
        require(4, len(set(order)) == len(order), 'the leaves of a shard do not stand together')
        for before, leaf in zip(self.leaves, self.leaves[1:]):
            require(4, before.shard != leaf.shard or
                    (before.index < leaf.index and before.entry.time_ms <= leaf.entry.time_ms and
                     before.entry.directory_serial <= leaf.entry.directory_serial), 'leaves do not ascend')
        for leaf in self.leaves:
            reference = leaf.entry.reference
            require(4, not leaf.entry.HasField('reference') or not leaf.refers_here(reference) or
                    reference.index < leaf.index, 'refers to what is not before it')

    def _signature(self, i, leaf):
        e = leaf.entry
        require(5, leaf.directory.signed_by(e.member, e.body, e.signature), f'the signature at entry {leaf.index}')
        signed, signer = leaf.read_body()
        require(5, signer == e.member, 'signed by another than it says')
        leaf.doubtful = self._is_doubtful(leaf)
        for other in self.leaves[:i]:
            require(5, not other.entry.HasField('signature') or other.entry.member != e.member or
                    other.entry.signature.batch_no != e.signature.batch_no or
                    other.signature_root() == leaf.signature_root(), 'one batch over two roots')
        if leaf.kind == audit.ENTRY_REFUSAL:
            return
        require(5, signed.directory_serial <= e.directory_serial, 'its signer knew a later directory than the log')
        if not leaf.prekeys and signed.HasField('seen'):
            seen = signed.seen
            require(5, seen.shard != leaf.shard or seen.size <= leaf.index, 'a head before it was one')
            require(5, all(head.root == seen.root for head in self.heads if (head.shard, head.size) == (seen.shard, seen.size)),
                    'its signer was shown another root')

    def _is_doubtful(self, leaf):
        member = leaf.directory.member(leaf.entry.member)
        name = f'tmx.{leaf.directory.federation}/node/{leaf.entry.member.decode()}'
        identifier = leaf.entry.signature.key_id.to_bytes(4, 'big')
        key = next(k.key for k in member.signing_keys if sha256(name.encode() + b'\n\x01' + k.key)[:4] == identifier)
        for d in self.directories:
            began = {log.shard: log.from_ms for log in d.body.logs}
            for k in (d.member(leaf.entry.member) or pb_directory.Member()).signing_keys:
                since = k.compromised_since
                if k.key != key or not k.HasField('compromised_since'):
                    continue
                if since.index <= leaf.index if since.shard == leaf.shard else \
                        since.shard in began and leaf.shard in began and began[since.shard] < began[leaf.shard]:
                    return True
        return False

    # --- EVI-6 ---

    def _subject(self):
        refused = [leaf for leaf in self.leaves if leaf.kind == audit.ENTRY_REFUSAL and leaf.header]
        self.subject = next((leaf for leaf in [*(x for x in self.leaves if x.kind in ADMISSIONS), *refused]), None)
        require(6, self.subject, 'no header')
        self.header, self.admitted = self.subject.header, self.subject.kind in ADMISSIONS
        self.header_digest = blake2b(self.subject.entry.body)
        self.to = {r.member: r.seq for r in self.header.recipients}
        require(6, self.header.message_id == self.pb.message_id, 'another message id')

    def _about(self, leaf):
        e, h, r = leaf.entry, self.header, leaf.report
        if leaf.kind in ADMISSIONS:
            require(6, e.body == self.subject.entry.body, 'two headers')
            require(6, leaf.kind == audit.ENTRY_RESUBMISSION or self._may(leaf.directory), 'accepted of one who may not')
        elif leaf.kind == audit.ENTRY_REPORT:
            require(6, (r.message_id, r.header_digest, r.container_digest) ==
                    (h.message_id, self.header_digest, h.container_digest), 'a report on another message')
            require(6, self.to.get(r.recipient) == r.seq, 'a report of no recipient')
        elif leaf.kind == audit.ENTRY_REFUSAL:
            about = (leaf.header.message_id, leaf.header.sender) == (h.message_id, h.sender) if leaf.header else \
                r is not None and r.message_id == h.message_id
            require(6, about, 'refused was another message')
        elif leaf.kind == audit.ENTRY_PREKEYS:
            require(6, e.member == h.sender or e.member in self.to, 'prekeys of a stranger')
        elif leaf.kind == audit.ENTRY_ERASED:
            require(6, e.message_id == h.message_id and e.header_digest in (b'', self.header_digest) and
                    e.digest in (b'', h.container_digest), 'another container was erased')
        else:
            require(6, (e.message_id, e.member, e.header_digest) == (h.message_id, h.sender, self.header_digest),
                    'an end of another message')
            require(6, e.recipient in self.to and e.number in (0, self.to[e.recipient]), 'of no recipient')
            require(6, e.digest in (b'', h.container_digest), 'another container digest')
            require(6, leaf.kind != audit.ENTRY_CARRY_DELIVERY or not leaf.refers_here(e.reference), 'carried from here')

    def _may(self, d):
        sender = d.member(self.header.sender)
        return sender is not None and sender.status == pb_directory.MEMBER_ACTIVE and \
            (not sender.message_types or self.header.message_type in (PROBE, *sender.message_types)) and \
            all((m := d.member(code)) is not None and m.status != pb_directory.MEMBER_REVOKED for code in self.to)

    # --- EVI-7 and EVI-8 ---

    def _elsewhere(self, leaf, reference):
        """A place in another shard is that shard's admission, if the bundle has one."""
        for other in self.leaves:
            if other.kind in ADMISSIONS and other.shard == reference.shard != leaf.shard:
                require(7, other.index == reference.index, 'names another place than the acceptance there')

    def _deliveries(self):
        self.outcomes = {code: None for code in self.to}
        self.arrived = dict.fromkeys(self.to, False)
        self.disputed = set()
        for shard in dict.fromkeys(leaf.shard for leaf in self.leaves):
            self._shard([leaf for leaf in self.leaves if leaf.shard == shard])
        start = 'accepted' if self.admitted else 'rejected'
        self.states = {code: self.outcomes[code] or ('arrived' if self.arrived[code] else start) for code in self.to}

    def _shard(self, leaves):
        decided = [leaf for leaf in leaves if leaf.kind in ADMISSIONS or
                   (leaf.kind == audit.ENTRY_REFUSAL and leaf.header and leaf.entry.number == 1)]
        require(7, len(decided) <= 1, 'accepted or refused twice')
        admission = decided[0] if decided and decided[0].kind in ADMISSIONS else None
        if admission and admission.entry.HasField('reference'):
            self._elsewhere(admission, admission.entry.reference)
        states, carried, places = {}, {}, []
        for leaf in leaves:
            e = leaf.entry
            if leaf.kind == audit.ENTRY_CARRY_DELIVERY:
                self._elsewhere(leaf, e.reference)
                require(8, e.recipient not in states, 'carried after something was said')
                carried[e.recipient], states[e.recipient] = e.reference, 'arrived' if e.code == 1 else 'queued'
            elif leaf.kind == audit.ENTRY_REPORT or leaf.kind in BY_BROKER:
                code = leaf.report.recipient if leaf.report else e.recipient
                self._reference(leaf, admission, carried.get(code), places)
                states[code] = self._move(leaf, states.get(code, 'queued'))
        for code, state in states.items():
            if state in ('queued', 'arrived'):
                self.arrived[code] = state == 'arrived'
                continue
            if self.outcomes[code] not in (None, state):
                self.disputed.add(code)
            self.outcomes[code] = state

    def _reference(self, leaf, admission, carried, places):
        reference = leaf.entry.reference
        if carried is not None:
            named = reference == carried
        elif admission:
            require(7, admission.index < leaf.index, 'before its acceptance')
            named = reference == envelope.LogRef(shard=leaf.shard, index=admission.index) or \
                (admission.entry.HasField('reference') and reference == admission.entry.reference)
        else:
            places.append(reference)
            named = reference == places[0]
        require(7, named, 'names another acceptance')
        self._elsewhere(leaf, reference)
        if leaf.report:
            signed = leaf.report.acceptance
            new = admission is not None and admission.kind == audit.ENTRY_ACCEPTANCE
            require(7, signed.index == reference.index if signed.shard == reference.shard else not new,
                    'its signer names another acceptance')
            self._elsewhere(leaf, signed)

    def _move(self, leaf, state):
        e = leaf.entry
        if leaf.report:
            outcome = leaf.report.outcome
            needs_queued, new = outcome in (envelope.OUTCOME_COA, envelope.OUTCOME_COE), STATES[outcome]
        elif leaf.kind == audit.ENTRY_EXPIRED:
            needs_queued, new = True, 'expired'
            require(8, e.time_ms >= self.header.expires_ms, 'expired before its expiry')
        else:
            needs_queued, new = e.code in (RECIPIENT_REVOKED, ENDED_BY_OPERATORS), 'exception'
            member = leaf.directory.member(e.recipient)
            require(8, e.code in (RECIPIENT_LOST, ENDED_BY_OPERATORS) or (e.code == RECIPIENT_REVOKED and member is not None and
                                                    member.status == pb_directory.MEMBER_REVOKED), 'the broker may not end it so')
        require(8, state == 'queued' or (state == 'arrived' and not needs_queued), f'{new} after {state}')
        return new

    # --- EVI-10 and EVI-11 ---

    def _container(self, beside):
        h = self.header
        given = [c for c in (self.pb.container or None, beside) if c is not None]
        self.slots, self.payload = {}, None
        for container in given:
            require(10, len(container) == h.container_bytes and blake2b(container) == h.container_digest, 'another container')
            try:
                kids = [seal.slot_of(container, len(self.to), i)[0] for i in range(len(self.to))]
            except seal.CannotOpen as error:
                raise Fault(10, str(error)) from None
            self.slots = {code: self._slot(code, kid) for code, kid in zip(self.to, kids)}
        if not given or not self.pb.content_key:
            return
        try:
            plaintext = seal.open_disclosed(given[-1], h.message_id, h.sender, list(self.to), self.pb.content_key)
            inner, self.payload = content.read(plaintext)
        except (seal.CannotOpen, Malformed) as error:
            raise Fault(11, str(error)) from None
        require(11, (inner.message_id, inner.message_type) == (h.message_id, h.message_type), 'content of another message')

    def _slot(self, code, kid):
        subject, resubmitted = self.subject, self.subject.kind == audit.ENTRY_RESUBMISSION
        for leaf in self.leaves:
            if leaf.kind != audit.ENTRY_PREKEYS or leaf.prekeys.member != code or \
                    (leaf.shard == subject.shard and leaf.index > subject.index):
                continue
            if any(seal.slot_id(k.key) == kid and (resubmitted or k.until_ms + DAY > subject.entry.time_ms)
                   for k in leaf.prekeys.keys):
                return 'published'
        member = subject.directory.member(code)
        return 'last-resort' if member is not None and seal.slot_id(member.last_resort_key) == kid else 'unknown'
