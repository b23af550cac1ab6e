# SPDX-License-Identifier: Apache-2.0
"""The sealed container, suite 1 (section Container, SEAL-1..3)."""
import hmac
import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from .digest import blake2b, sha256

HEAD, SLOT, COMMIT = 64, 56, 32
NONCE = bytes(12)


class CannotOpen(ValueError):
    """The container is not what its slot promises, or somebody changed it."""


class NoPrekey(ValueError):
    """The slot names a prekey whose secret is not here."""


def hchacha20(key, nonce):
    state = list(struct.unpack('<16I', b'expand 32-byte k' + key + nonce))

    def turn(a, b, d, bits):
        state[a] = (state[a] + state[b]) & 0xffffffff
        mixed = state[d] ^ state[a]
        state[d] = (mixed << bits | mixed >> (32 - bits)) & 0xffffffff

    def quarter(a, b, c, d):
        turn(a, b, d, 16)
        turn(c, d, b, 12)
        turn(a, b, d, 8)
        turn(c, d, b, 7)

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack('<8I', *(state[0:4] + state[12:16]))


def xchacha20poly1305(key):
    """XChaCha20-Poly1305 with nonce 0 is ChaCha20-Poly1305 with nonce 0 under a derived key."""
    return ChaCha20Poly1305(hchacha20(key, bytes(16)))


def sized(name):
    return bytes([len(name)]) + name


def x25519_public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def shared_secret(secret, public):
    try:
        return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise CannotOpen('an X25519 key of small order') from None


def slot_id(prekey):
    return sha256(prekey)[:8]


def context(message_id, sender, recipients):
    return message_id + sized(sender) + bytes([len(recipients)]) + b''.join(map(sized, recipients))


def pair_key(shared, epk, prekey, sender, recipient):
    return blake2b(b'TMX1 pair\0' + shared + epk + prekey + sized(sender) + sized(recipient), bytes(32))


def key_wrap(pair, salt):
    return ChaCha20Poly1305(blake2b(b'TMX1 kek\0' + salt, pair))


def content_keys(content_key, front, ctx):
    """(K_enc, commit)"""
    k = blake2b(b'TMX1 cek\0' + front + ctx, content_key, 64)
    return k[:32], k[32:]


def seal(message_id, sender, recipients, prekeys, plaintext, esk=None, salt=None, random=None):
    """The container for `recipients`, whose keys are `prekeys` in the same order."""
    esk, salt, random = esk or os.urandom(32), salt or os.urandom(24), random or os.urandom(32)
    epk = x25519_public(esk)
    content_key = blake2b(message_id + plaintext, random)
    head = b'TMX1' + bytes([1, len(recipients), 0, 0]) + epk + salt
    slots = b''
    for prekey, to in zip(prekeys, recipients, strict=True):
        pair = pair_key(shared_secret(esk, prekey), epk, prekey, sender, to)
        slots += slot_id(prekey) + key_wrap(pair, salt).encrypt(NONCE, content_key, head + slot_id(prekey))
    ctx = context(message_id, sender, recipients)
    k_enc, commit = content_keys(content_key, head + slots, ctx)
    front = head + slots + commit
    return front + xchacha20poly1305(k_enc).encrypt(NONCE, plaintext, front + ctx)


def slot_of(container, count, position):
    """(kid, wrapped key) of the slot; CannotOpen when this is no container of suite 1 for `count` recipients."""
    if len(container) < HEAD + SLOT * count + COMMIT + 16 or container[:8] != b'TMX1' + bytes([1, count, 0, 0]):
        raise CannotOpen('not a container of this header')
    slot = container[HEAD + SLOT * position:HEAD + SLOT * (position + 1)]
    return slot[:8], slot[8:]


def open_container(container, message_id, sender, recipients, position, secrets):
    """The plaintext, with the secret (by slot id) of the own position; nothing is tried (SEAL-1)."""
    kid, wrapped = slot_of(container, len(recipients), position)
    if kid not in secrets:
        raise NoPrekey(kid.hex())
    secret = secrets[kid]
    head, epk, salt = container[:HEAD], container[8:40], container[40:HEAD]
    pair = pair_key(shared_secret(secret, epk), epk, x25519_public(secret), sender, recipients[position])
    try:
        content_key = key_wrap(pair, salt).decrypt(NONCE, wrapped, head + kid)
    except InvalidTag:
        raise CannotOpen('the container was changed') from None
    return open_disclosed(container, message_id, sender, recipients, content_key)


def open_disclosed(container, message_id, sender, recipients, content_key):
    """The plaintext, with the content key itself."""
    end = HEAD + SLOT * len(recipients)
    ctx = context(message_id, sender, recipients)
    k_enc, commit = content_keys(content_key, container[:end], ctx)
    if not hmac.compare_digest(commit, container[end:end + COMMIT]):
        raise CannotOpen('another content key was committed to')
    try:
        return xchacha20poly1305(k_enc).decrypt(NONCE, container[end + COMMIT:], container[:end + COMMIT] + ctx)
    except InvalidTag:
        raise CannotOpen('the container was changed') from None
