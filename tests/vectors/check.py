#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The test vectors, checked by the second implementation (tests/python): hashlib and OpenSSL, never libsodium.

One function per vector file. A file holds cases, each of them `[name]` and `key = value` lines; a key may repeat.
Run without arguments: checks the files beside this script.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402

from tmxspec import batch, identifiers, seal  # noqa: E402
from tmxspec.canonical import envelope  # noqa: E402
from tmxspec.digest import blake2b  # noqa: E402
from tmxspec.ed25519 import public_bytes  # noqa: E402
from tmxspec.merkle import leaf_hash, path, tree_hash  # noqa: E402
from tmxspec.note import checkpoint_text, open_note, read_checkpoint, sign_note, vkey  # noqa: E402


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


def test_key(case):
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["seed"]))
    public = public_bytes(private)
    equal(case, "public", case["public"], public.hex())
    equal(case, "vkey", case["vkey"], vkey(case["name"], public))
    return private, public


# --- batch.txt: proto/README.md, section Batch signature ----------------------------------------------------------


def check_batch_signing(case):
    private, public = test_key(case)
    bodies = [bytes.fromhex(body) for body in case.all("body")]
    leaves = [leaf_hash(body) for body in bodies]
    paths = [b"".join(path(i, leaves)).hex() for i in range(len(bodies))]
    text = batch.text(case["name"], int(case["batch_no"]), len(bodies), tree_hash(leaves))
    equal(case, "root", case["root"], tree_hash(leaves).hex())
    equal(case, "text", case["text"], text.encode().hex())
    equal(case, "path", case.all("path"), paths)
    equal(case, "signature", case["signature"], private.sign(text.encode()).hex())


def check_batch_verifying(case):
    _, public = test_key(case)
    signature = envelope.BatchSignature(
        key_id=int(case["key_id"], 16), batch_no=int(case["batch_no"]), size=int(case["size"]), index=int(case["index"]),
        path=bytes.fromhex(case["path"]), signature=bytes.fromhex(case["signature"]))
    valid = batch.verify(bytes.fromhex(case["body"]), signature, case["name"], [public])
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
    note = sign_note(checkpoint_text(case["name"], len(leaves), root), case["name"], private)
    equal(case, "root", case["root"], root.hex())
    equal(case, "note", case["note"], note.encode().hex())


def check_checkpoint_verifying(case):
    _, public = test_key(case)
    text = open_note(bytes.fromhex(case["note"]).decode(), case["name"], public)
    valid = text is not None and read_checkpoint(text, case["name"]) is not None
    equal(case, "valid", case["valid"], "yes" if valid else "no")


def check_checkpoint(cases):
    for case in cases:
        if case.all("valid"):
            check_checkpoint_verifying(case)
        else:
            check_checkpoint_signing(case)


# --- the sealed container -----------------------------------------------------------------------------------------


def check_container(cases):
    known = seal.hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927"))
    assert known.hex() == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc", "draft-irtf-cfrg-xchacha"
    for case in cases:
        data = {key: bytes.fromhex(case[key]) for key in ("message_id", "esk", "salt", "random", "plaintext")}
        sender, names = case["sender"].encode(), [name.encode() for name in case.all("recipient")]
        secrets = [bytes.fromhex(secret) for secret in case.all("prekey_secret")]
        prekeys = [seal.x25519_public(secret) for secret in secrets]
        epk = seal.x25519_public(data["esk"])
        equal(case, "epk", case["epk"], epk.hex())
        equal(case, "prekeys", case.all("prekey"), [key.hex() for key in prekeys])
        pairs = [seal.pair_key(seal.shared_secret(data["esk"], key), epk, key, sender, to) for key, to in zip(prekeys, names)]
        equal(case, "pair keys", case.all("ps"), [pair.hex() for pair in pairs])
        content_key = blake2b(data["message_id"] + data["plaintext"], data["random"])
        equal(case, "content key", case["content_key"], content_key.hex())
        container = seal.seal(sender=sender, recipients=names, prekeys=prekeys, **data)
        equal(case, "container", case["container"], container.hex())
        equal(case, "digest", case["container_digest"], blake2b(container).hex())
        for i, secret in enumerate(secrets):
            opened = seal.open_container(container, data["message_id"], sender, names, i, {seal.slot_id(prekeys[i]): secret})
            equal(case, "opened", opened, data["plaintext"])


# --- identifiers.txt: proto/README.md ID-1..3 ---------------------------------------------------------------------


def check_identifiers(lines):
    for kind, expected, text in lines:
        if kind == "digit":
            digit = identifiers.check_digit(text)
            got = "none" if digit is None else str(digit)
        else:
            got = "valid" if identifiers.valid(kind, text) else "invalid"
        assert got == expected, f"{kind} {text!r}: is {got}, must be {expected}"


def read_lines(path):
    """`kind expected text`; quotes keep outer spaces and nothing."""
    lines = [line.split(" ", 2) for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [(kind, expected, text[1:-1] if text.startswith('"') else text) for kind, expected, text in lines]


CHECKS = {
    "batch.txt": (read_cases, check_batch),
    "checkpoint.txt": (read_cases, check_checkpoint),
    "container.txt": (read_cases, check_container),
    "identifiers.txt": (read_lines, check_identifiers),
}


def main():
    folder = pathlib.Path(__file__).resolve().parent
    failed = False
    for file, (read, check) in CHECKS.items():
        try:
            cases = read(folder / file)
            check(cases)
            print(f"{file}: {len(cases)} cases")
        except AssertionError as error:
            print(f"{file}: {error}", file=sys.stderr)
            failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
