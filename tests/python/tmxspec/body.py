# SPDX-License-Identifier: Apache-2.0
"""Headers, reports and prekey sets: the bodies members sign (ENV-4..6, KEY-1)."""
import os
import re
import time

from .canonical import Malformed, envelope as pb, pack, parse_kind
from .digest import blake2b

KIND_HEADER, KIND_REPORT, KIND_PREKEY_SET = 257, 258, 259
DAY = 86400000
CONTAINER_MAX = (20 << 20) + 65536
MEMBER, TYPE = re.compile(rb'[A-Z0-9]{2,8}'), re.compile(rb'[A-Z0-9]{1,16}')


def now_ms():
    return time.time_ns() // 1000000


def new_message_id():
    """UUID version 7 (RFC 9562 5.7)."""
    bits = int.from_bytes(os.urandom(10), 'big')
    return (now_ms() << 80 | 7 << 76 | (bits >> 68) << 64 | 2 << 62 | bits & (1 << 62) - 1).to_bytes(16, 'big')


def is_message_id(data):
    return len(data) == 16 and data[6] >> 4 == 7 and data[8] >> 6 == 2


def kind_of(data):
    """Field 1 of a signed body: a varint of two bytes (ENV-4)."""
    return data[1] & 0x7f | data[2] << 7 if len(data) >= 3 and data[0] == 8 and data[1] & 0x80 else 0


def good_head(message):
    """`seen` is absent or complete."""
    if not message.HasField('seen'):
        return True
    return bool(message.seen.shard) and message.seen.size >= 1 and len(message.seen.root) == 32


def read_header(data):
    h = parse_kind(pb.Header, KIND_HEADER, data)
    to = [r.member for r in h.recipients]
    good = (is_message_id(h.message_id) and all(MEMBER.fullmatch(code) for code in [h.sender, *to]) and
            1 <= len(to) <= 64 and len(set(to)) == len(to) and h.sender not in to and
            all(r.seq >= 1 and r.prev < r.seq and (h.movement_label or not r.prev) for r in h.recipients) and
            TYPE.fullmatch(h.message_type) and (not h.movement_label or (len(h.movement_label) == 16 and any(h.movement_label))) and
            len(h.correlation_id) in (0, 16) and len(h.replaces) in (0, 16) and h.replaces != h.message_id and h.priority <= 9 and h.sent_ms < h.expires_ms <= h.sent_ms + 30 * DAY and
            1 <= h.container_bytes <= CONTAINER_MAX and len(h.container_digest) == 32 and good_head(h))
    if not good:
        raise Malformed('header: breaks ENV-5')
    return h


def read_report(data):
    r = parse_kind(pb.Report, KIND_REPORT, data)
    silent = r.outcome in (pb.OUTCOME_COA, pb.OUTCOME_COD_POSITIVE)
    good = (len(r.message_id) == 16 and len(r.header_digest) == 32 and len(r.container_digest) == 32 and
            MEMBER.fullmatch(r.recipient) and r.seq >= 1 and r.HasField('acceptance') and 1 <= r.outcome <= 5 and
            (r.code == 0) == silent and good_head(r) and
            (not r.attachment_digest or (len(r.attachment_digest) == 32 and r.outcome == pb.OUTCOME_COD_NEGATIVE)))
    if not good:
        raise Malformed('report: breaks ENV-6')
    return r


def read_prekey_set(data):
    s = parse_kind(pb.PrekeySet, KIND_PREKEY_SET, data)
    starts = [k.from_ms for k in s.keys]
    if not MEMBER.fullmatch(s.member) or s.set_serial < 1 or not 1 <= len(starts) <= 62 or starts != sorted(set(starts)) or \
            not all(len(k.key) == 32 and k.from_ms < k.until_ms for k in s.keys):
        raise Malformed('prekey set: breaks KEY-1')
    return s


def report(header_bytes, acceptance, recipient, outcome, code=0, serial=0, seen=None, attachment=b''):
    """The bytes of a report about the delivery of that header to `recipient`."""
    header = read_header(header_bytes)
    seq = next(r.seq for r in header.recipients if r.member == recipient)
    return pack(pb.Report(
        kind=KIND_REPORT, directory_serial=serial, message_id=header.message_id, header_digest=blake2b(header_bytes),
        container_digest=header.container_digest, recipient=recipient, seq=seq, acceptance=acceptance, outcome=outcome, code=code,
        time_ms=now_ms(), seen=seen, attachment_digest=blake2b(attachment) if attachment else b''))


def fits(r, header_bytes, acceptance):
    """Whether a report is about this header as accepted there (REP-1, REP-4)."""
    header = read_header(header_bytes)
    return (r.message_id == header.message_id and r.header_digest == blake2b(header_bytes) and
            r.container_digest == header.container_digest and r.acceptance == acceptance and
            any(to.member == r.recipient and to.seq == r.seq for to in header.recipients))
