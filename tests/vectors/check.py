#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The test vectors, checked by a second implementation: hashlib and python3-cryptography, never libsodium.

One function per vector file. A file holds cases, each of them `[name]` and `key = value` lines; a key may repeat.
Run without arguments: checks the files beside this script.
"""
import base64
import hashlib
import pathlib
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

DASH = "\u2014 "
ED25519 = b"\x01"


class Case:
    """One case: `case["key"]` is the only value, `case.all("key")` the list of them."""

    def __init__(self, name):
        self.name = name
        self.fields = []

    def all(self, key):
        return [value for k, value in self.fields if k == key]

    def __getitem__(self, key):
        values = self.all(key)
        assert len(values) == 1, f"[{self.name}] needs exactly one {key}, has {len(values)}"
        return values[0]


def read_cases(path):
    cases = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            assert line.endswith("]"), f"{path}:{number}"
            cases.append(Case(line[1:-1]))
            continue
        key, equals, value = line.partition("=")
        assert cases and equals, f"{path}:{number}: {line!r}"
        cases[-1].fields.append((key.strip(), value.strip()))
    assert cases, f"{path} holds no case"
    return cases


def equal(case, what, got, want):
    assert got == want, f"[{case.name}] {what}: is {got!r}, must be {want!r}"


# --- RFC 6962, signed notes ---------------------------------------------------------------------------------------


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(data):
    return sha256(b"\x00" + data)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def tree_hash(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node_hash(tree_hash(leaves[:k]), tree_hash(leaves[k:]))


def path(index, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return path(index, leaves[:k]) + [tree_hash(leaves[k:])]
    return path(index - k, leaves[k:]) + [tree_hash(leaves[:k])]


def path_root(index, size, leaf, hashes):
    """RFC 9162 2.1.3.2; None when the path does not have the length of (index, size)."""
    if index >= size:
        return None
    fn, sn, root = index, size - 1, leaf
    for sibling in hashes:
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


def key_id(name, public):
    return sha256(name.encode() + b"\n" + ED25519 + public)[:4]


def vkey(name, public):
    return f"{name}+{key_id(name, public).hex()}+{base64.b64encode(ED25519 + public).decode()}"


def public_bytes(private):
    return private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def verifies(public, signature, text):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except InvalidSignature:
        return False
    return True


def sign_note(text, name, private):
    signature = key_id(name, public_bytes(private)) + private.sign(text.encode())
    return f"{text}\n{DASH}{name} {base64.b64encode(signature).decode()}\n"


def note_opens(note, name, public):
    """The note's text when a line of the key verifies and none of that key fails; else None."""
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        return None
    text += "\n"
    verified = False
    for line in lines[:-1].split("\n"):
        if not line.startswith(DASH) or line.count(" ") != 2:
            return None
        _, line_name, encoded = line.split(" ")
        signature = base64.b64decode(encoded, validate=True)
        if line_name == name and signature[:4] == key_id(name, public):
            if not verifies(public, signature[4:], text.encode()):
                return None
            verified = True
    return text if verified else None


def test_key(case):
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["seed"]))
    public = public_bytes(private)
    equal(case, "public", case["public"], public.hex())
    equal(case, "vkey", case["vkey"], vkey(case["name"], public))
    return private, public


# --- batch.txt: proto/README.md, section Batch signature ----------------------------------------------------------


def batch_text(name, batch_no, size, root):
    return f"{name}/batch/{batch_no}\n{size}\n{base64.b64encode(root).decode()}\n"


def check_batch_signing(case):
    private, public = test_key(case)
    bodies = [bytes.fromhex(body) for body in case.all("body")]
    leaves = [leaf_hash(body) for body in bodies]
    paths = [b"".join(path(i, leaves)).hex() for i in range(len(bodies))]
    text = batch_text(case["name"], int(case["batch_no"]), len(bodies), tree_hash(leaves))
    equal(case, "root", case["root"], tree_hash(leaves).hex())
    equal(case, "text", case["text"], text.encode().hex())
    equal(case, "path", case.all("path"), paths)
    equal(case, "signature", case["signature"], private.sign(text.encode()).hex())


def check_batch_verifying(case):
    _, public = test_key(case)
    flat = bytes.fromhex(case["path"])
    size, index = int(case["size"]), int(case["index"])
    root = None
    if 1 <= size <= 64 and len(flat) % 32 == 0:
        hashes = [flat[i:i + 32] for i in range(0, len(flat), 32)]
        root = path_root(index, size, leaf_hash(bytes.fromhex(case["body"])), hashes)
    valid = root is not None and int(case["key_id"], 16).to_bytes(4, "big") == key_id(case["name"], public)
    if valid:
        text = batch_text(case["name"], int(case["batch_no"]), size, root)
        valid = verifies(public, bytes.fromhex(case["signature"]), text.encode())
    equal(case, "valid", case["valid"], "yes" if valid else "no")


def check_batch(cases):
    for case in cases:
        if case.all("valid"):
            check_batch_verifying(case)
        else:
            check_batch_signing(case)


# --- checkpoint.txt: proto/README.md LOG-1 ------------------------------------------------------------------------


def check_checkpoint_signing(case):
    private, public = test_key(case)
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in case.all("entry")]
    root = tree_hash(leaves)
    text = f"{case['name']}\n{len(leaves)}\n{base64.b64encode(root).decode()}\n"
    note = sign_note(text, case["name"], private)
    equal(case, "root", case["root"], root.hex())
    equal(case, "note", case["note"], note.encode().hex())


def parse_checkpoint(text, origin):
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or lines[0] != origin:
        return None
    if not lines[1].isdigit() or lines[1].startswith("0") or int(lines[1]) >= 1 << 48:
        return None
    try:
        root = base64.b64decode(lines[2], validate=True)
    except ValueError:
        return None
    if len(root) != 32 or base64.b64encode(root).decode() != lines[2]:
        return None
    return int(lines[1]), root


def check_checkpoint_verifying(case):
    _, public = test_key(case)
    text = note_opens(bytes.fromhex(case["note"]).decode(), case["name"], public)
    valid = text is not None and parse_checkpoint(text, case["name"]) is not None
    equal(case, "valid", case["valid"], "yes" if valid else "no")


def check_checkpoint(cases):
    for case in cases:
        if case.all("valid"):
            check_checkpoint_verifying(case)
        else:
            check_checkpoint_signing(case)


# --- the sealed container -----------------------------------------------------------------------------------------


def hchacha20(key, nonce):
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))

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
    return struct.pack("<8I", *(state[0:4] + state[12:16]))


def xchacha20poly1305(key, nonce, plaintext, ad):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).encrypt(bytes(4) + nonce[16:], plaintext, ad)


def blake2b(key, data, size=32):
    return hashlib.blake2b(data, key=key, digest_size=size).digest()


def sized(name):
    return bytes([len(name)]) + name


def x25519_public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def seal(message_id, sender, recipients, esk, prekeys, salt, random, plaintext):
    """The pair keys, the content key and the container."""
    epk = x25519_public(esk)
    context = message_id + sized(sender) + bytes([len(recipients)]) + b"".join(map(sized, recipients))
    content_key = blake2b(random, message_id + plaintext)
    head = b"TMX1" + bytes([1, len(recipients), 0, 0]) + epk + salt
    pairs, slots = [], b""
    for prekey, to in zip(prekeys, recipients):
        shared = X25519PrivateKey.from_private_bytes(esk).exchange(X25519PublicKey.from_public_bytes(prekey))
        pairs.append(blake2b(bytes(32), b"TMX1 pair\0" + shared + epk + prekey + sized(sender) + sized(to)))
        kid = sha256(prekey)[:8]
        kek = blake2b(pairs[-1], b"TMX1 kek\0" + salt)
        slots += kid + ChaCha20Poly1305(kek).encrypt(bytes(12), content_key, head + kid)
    k = blake2b(content_key, b"TMX1 cek\0" + head + slots + context, 64)
    front = head + slots + k[32:]
    return pairs, content_key, front + xchacha20poly1305(k[:32], bytes(24), plaintext, front + context)


def check_container(cases):
    known = hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927"))
    assert known.hex() == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc", "draft-irtf-cfrg-xchacha"
    for case in cases:
        data = {key: bytes.fromhex(case[key]) for key in ("message_id", "esk", "salt", "random", "plaintext")}
        prekeys = [x25519_public(bytes.fromhex(secret)) for secret in case.all("prekey_secret")]
        pairs, content_key, container = seal(
            sender=case["sender"].encode(), recipients=[name.encode() for name in case.all("recipient")],
            prekeys=prekeys, **data)
        equal(case, "epk", case["epk"], x25519_public(data["esk"]).hex())
        equal(case, "prekeys", case.all("prekey"), [key.hex() for key in prekeys])
        equal(case, "pair keys", case.all("ps"), [ps.hex() for ps in pairs])
        equal(case, "content key", case["content_key"], content_key.hex())
        equal(case, "container", case["container"], container.hex())
        equal(case, "digest", case["container_digest"], blake2b(b"", container).hex())


CHECKS = {
    "batch.txt": check_batch,
    "checkpoint.txt": check_checkpoint,
    "container.txt": check_container,
}


def main():
    folder = pathlib.Path(__file__).resolve().parent
    failed = False
    for file, check in CHECKS.items():
        try:
            cases = read_cases(folder / file)
            check(cases)
            print(f"{file}: {len(cases)} cases")
        except AssertionError as error:
            print(f"{file}: {error}", file=sys.stderr)
            failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
