# SPDX-License-Identifier: Apache-2.0
"""Builds the container of proto/README.md (section Container) from the inputs of container.txt, sharing no code with
the exchange: X25519 and ChaCha20-Poly1305 of python-cryptography, BLAKE2b of hashlib, HChaCha20 written here.

    container.py FILE            compares every line of FILE that is an answer
    container.py --answer FILE   prints FILE with the answers computed
"""
import hashlib
import struct
import sys

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ANSWERS = ("epk", "prekey", "ps", "content_key", "container", "container_digest")


def hchacha20(key, nonce16):
    s = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce16))

    def rotl(v, n):
        return (v << n | v >> (32 - n)) & 0xffffffff

    def quarter(a, b, c, d):
        s[a] = (s[a] + s[b]) & 0xffffffff
        s[d] = rotl(s[d] ^ s[a], 16)
        s[c] = (s[c] + s[d]) & 0xffffffff
        s[b] = rotl(s[b] ^ s[c], 12)
        s[a] = (s[a] + s[b]) & 0xffffffff
        s[d] = rotl(s[d] ^ s[a], 8)
        s[c] = (s[c] + s[d]) & 0xffffffff
        s[b] = rotl(s[b] ^ s[c], 7)

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<8I", *(s[0:4] + s[12:16]))


def xchacha20poly1305(key, nonce24, plaintext, ad):
    subkey = hchacha20(key, nonce24[:16])
    return ChaCha20Poly1305(subkey).encrypt(b"\0" * 4 + nonce24[16:], plaintext, ad)


def blake2b(key, data, size=32):
    return hashlib.blake2b(data, key=key, digest_size=size).digest()


def name(text):
    return bytes([len(text)]) + text


def public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def build(v):
    """Every answer, from the inputs."""
    sender, recipients = v["sender"], v["recipient"]
    epk = public(v["esk"])
    prekeys = [public(s) for s in v["prekey_secret"]]
    ctx = v["message_id"] + name(sender) + bytes([len(recipients)]) + b"".join(map(name, recipients))
    pss = []
    for prekey, to in zip(prekeys, recipients):
        shared = X25519PrivateKey.from_private_bytes(v["esk"]).exchange(X25519PublicKey.from_public_bytes(prekey))
        pss.append(blake2b(bytes(32), b"TMX1 pair\0" + shared + epk + prekey + name(sender) + name(to)))
    content_key = blake2b(v["random"], v["message_id"] + v["plaintext"])
    head = b"TMX1" + bytes([1, len(recipients), 0, 0]) + epk + v["salt"]
    front = head
    for prekey, ps in zip(prekeys, pss):
        kid = hashlib.sha256(prekey).digest()[:8]
        kek = blake2b(ps, b"TMX1 kek\0" + v["salt"])
        front += kid + ChaCha20Poly1305(kek).encrypt(bytes(12), content_key, head + kid)
    k = blake2b(content_key, b"TMX1 cek\0" + front + ctx, 64)
    front += k[32:]
    container = front + xchacha20poly1305(k[:32], bytes(24), v["plaintext"], front + ctx)
    return {"epk": [epk], "prekey": prekeys, "ps": pss, "content_key": [content_key], "container": [container],
            "container_digest": [blake2b(b"", container)]}


def read(path):
    """Inputs and answers: lines of `name value`; text where quoted, hex otherwise; recipients repeat."""
    inputs, answers = {"recipient": [], "prekey_secret": []}, {a: [] for a in ANSWERS}
    for line in open(path, encoding="ascii"):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        field, value = line.split(" ", 1)
        data = value[1:-1].encode() if value.startswith('"') else bytes.fromhex(value)
        if field in answers:
            answers[field].append(data)
        elif isinstance(inputs.get(field), list):
            inputs[field].append(data)
        else:
            inputs[field] = data
    return inputs, answers


def check(path):
    """Names of answers that differ; empty when all is well."""
    inputs, answers = read(path)
    built = build(inputs)
    return [a for a in ANSWERS if answers[a] != built[a]]


def main():
    if sys.argv[1] == "--answer":
        inputs, _ = read(sys.argv[2])
        for line in open(sys.argv[2], encoding="ascii"):
            if line.split(" ", 1)[0] not in ANSWERS:
                sys.stdout.write(line)
        for answer, values in build(inputs).items():
            for value in values:
                print(answer, value.hex())
        return 0
    wrong = check(sys.argv[1])
    for answer in wrong:
        print(f"{sys.argv[1]}: {answer} differs", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
