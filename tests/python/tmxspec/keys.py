# SPDX-License-Identifier: Apache-2.0
"""A member's keys: what it signs, connects and decrypts with; its prekey sets (section Prekeys)."""
import os

from . import ed25519, seal
from .body import DAY, KIND_PREKEY_SET, now_ms
from .canonical import directory as pb, envelope, pack
from .directory import admission_request


class Keys:
    def __init__(self):
        self.signing, self.witness = ed25519.new_key(), ed25519.new_key()
        self.curve_secret, self.last_resort = os.urandom(32), os.urandom(32)
        self.curve_public = seal.x25519_public(self.curve_secret)
        self.secrets, self.set_serial = {}, 0     # prekey secrets by slot id
        self._keep(self.last_resort)

    def _keep(self, secret):
        public = seal.x25519_public(secret)
        self.secrets[seal.slot_id(public)] = secret
        return public

    def request(self, code, name):
        """The request for admission, with the public halves of all keys."""
        return admission_request(pb.Member(
            code=code, name=name, last_resort_key=seal.x25519_public(self.last_resort),
            signing_keys=[pb.MemberKey(key=ed25519.public_bytes(self.signing))],
            curve_keys=[pb.MemberKey(key=self.curve_public)],
            witness_keys=[pb.MemberKey(key=ed25519.public_bytes(self.witness))]), self.signing)

    def new_prekey_set(self, code, directory_serial):
        """The bytes of the next set: one key a day for 30 days (KEY-1)."""
        self.set_serial += 1
        start = now_ms() // DAY * DAY
        keys = [envelope.Prekey(key=self._keep(os.urandom(32)), from_ms=start + i * DAY, until_ms=start + (i + 1) * DAY)
                for i in range(30)]
        return pack(envelope.PrekeySet(kind=KIND_PREKEY_SET, directory_serial=directory_serial, member=code,
                                       set_serial=self.set_serial, keys=keys))


class Prekeys:
    """The sets the log holds, by member; the highest serial wins."""

    def __init__(self):
        self.sets = {}

    def take(self, prekey_set):
        known = self.sets.get(prekey_set.member)
        if known is None or prekey_set.set_serial > known.set_serial:
            self.sets[prekey_set.member] = prekey_set

    def now(self, member):
        """The key to seal with at this time (KEY-3)."""
        time = now_ms()
        dated = self.sets[member.code].keys if member.code in self.sets else []
        return next((k.key for k in dated if k.from_ms <= time < k.until_ms), member.last_resort_key)
