# SPDX-License-Identifier: Apache-2.0
"""The signed directory (DIR-1..4), and a member's request for admission."""
import base64

from . import batch, ed25519
from .canonical import Malformed, directory as pb, pack, parse, parse_kind
from .digest import sha256
from .note import key_id, read_vkey

KIND_DIRECTORY = 260


class Authority:
    """Who signs directories: `threshold` of these (name, key)."""

    def __init__(self, threshold, keys):
        self.threshold, self.keys = threshold, keys

    @classmethod
    def read(cls, text):
        """authority.pub: a line `threshold K`, then one verifier key a line (DIR-9)."""
        first, *lines = text.splitlines()
        return cls(int(first.removeprefix('threshold ')), [read_vkey(line) for line in lines])


class Directory:
    """A directory that counts. Only its bytes are believed, after the authority's signatures."""

    def __init__(self, data, authority):
        signed = parse(pb.SignedDirectory, data)
        self.data, self.body = data, parse_kind(pb.Directory, KIND_DIRECTORY, signed.directory)
        if not self.body.federation.isascii():
            raise Malformed('the name of the federation')
        self.federation, self.serial = self.body.federation.decode(), self.body.serial
        self._check_form()
        text = f'tmx.{self.federation}/directory\n{self.serial}\n{base64.b64encode(sha256(signed.directory)).decode()}\n'
        self._check_signatures(signed.signatures, text.encode(), authority)
        # Who signs the next one; when these are others they have signed, too (DIR-3).
        self.authority = Authority(self.body.threshold, [(key.name.decode(), key.key) for key in self.body.authority_keys])
        if (self.authority.threshold, set(self.authority.keys)) != (authority.threshold, set(authority.keys)):
            self._check_signatures(signed.signatures, text.encode(), self.authority)

    def _check_form(self):
        body = self.body
        codes = [m.code for m in body.members]
        if codes != sorted(set(codes)):
            raise Malformed('directory: members do not ascend')
        everybody = [(m.code.decode(), k.key) for m in body.members for k in m.signing_keys]
        signing = [(batch.key_name(self.federation, code), key) for code, key in everybody]
        signing += [(self.origin(log.shard), log.key) for log in body.logs]
        signing += [(k.name.decode(), k.key) for k in body.authority_keys]
        others = [k.key for m in body.members for k in [*m.curve_keys, *m.witness_keys]]
        others += [m.last_resort_key for m in body.members if m.last_resort_key] + [g.curve_key for g in body.gates]
        keys = [key for _, key in signing] + others
        if len(set(keys)) != len(keys) or any(len(key) != 32 for key in keys):
            raise Malformed('directory: a key appears twice or has a wrong size')
        if len({key_id(name, key) for name, key in signing}) != len(signing):
            raise Malformed('directory: two keys share a key id')
        if not all(ed25519.is_key(k) for k in [key for _, key in signing] + [w.key for m in body.members for w in m.witness_keys]):
            raise Malformed('directory: not an Ed25519 key')

    @staticmethod
    def _check_signatures(signatures, text, authority):
        good = {key for name, key in authority.keys for s in signatures
                if s.key_id == int.from_bytes(key_id(name, key), 'big') and ed25519.verify(key, s.signature, text)}
        if authority.threshold < 1 or len(good) < authority.threshold:
            raise Malformed(f'directory: {len(good)} of {authority.threshold} signatures')

    def origin(self, shard):
        return f'tmx.{self.federation}/log/{shard.decode()}'

    def log_key(self, shard):
        return next(log.key for log in self.body.logs if log.shard == shard)

    def member(self, code):
        return next((m for m in self.body.members if m.code == code), None)

    def gate(self, code):
        return next(g for g in self.body.gates if g.member == code)

    def signed_by(self, code, body, signature):
        """Whether the signature over `body` counts for that member (BAT-4)."""
        member = self.member(code)
        if member is None or member.status == pb.MEMBER_REVOKED:
            return False
        active = [k.key for k in member.signing_keys if not k.revoked]
        return batch.verify(body, signature, batch.key_name(self.federation, code.decode()), active)


def admission_request(member, signing_key):
    """The file a member hands to the authority."""
    packed = pack(member)
    return pack(pb.AdmissionRequest(member=member, proof=signing_key.sign(b'tmx admission\n' + packed)))
