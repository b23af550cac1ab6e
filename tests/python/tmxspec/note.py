# SPDX-License-Identifier: Apache-2.0
"""Signed notes (c2sp.org/signed-note, type 0x01) and three-line checkpoints (LOG-1)."""
import base64

from . import ed25519
from .digest import sha256

DASH = '\u2014 '
ED25519 = b'\x01'


def key_id(name, public, kind=ED25519):
    return sha256(name.encode() + b'\n' + kind + public)[:4]


def vkey(name, public):
    return f'{name}+{key_id(name, public).hex()}+{base64.b64encode(ED25519 + public).decode()}'


def read_vkey(text, kind=ED25519):
    """(name, public key) of a verifier key line."""
    name, identifier, encoded = text.split('+', 2)
    data = base64.b64decode(encoded, validate=True)
    if len(data) != 33 or data[:1] != kind or identifier != key_id(name, data[1:], kind).hex():
        raise ValueError(f'not a verifier key: {text}')
    return name, data[1:]


def sign_note(text, name, private):
    signature = key_id(name, ed25519.public_bytes(private)) + private.sign(text.encode())
    return f'{text}\n{DASH}{name} {base64.b64encode(signature).decode()}\n'


def open_note(note, name, public):
    """The note's text when a line of the key verifies and none of that key fails; else None."""
    text, blank, lines = note.rpartition('\n\n')
    if not blank or not lines.endswith('\n'):
        return None
    text += '\n'
    verified = False
    for line in lines[:-1].split('\n'):
        if not line.startswith(DASH) or line.count(' ') != 2:
            return None
        _, line_name, encoded = line.split(' ')
        signature = base64.b64decode(encoded, validate=True)
        if line_name == name and signature[:4] == key_id(name, public):
            if not ed25519.verify(public, signature[4:], text.encode()):
                return None
            verified = True
    return text if verified else None


def checkpoint_text(origin, size, root):
    return f'{origin}\n{size}\n{base64.b64encode(root).decode()}\n'


def read_checkpoint(text, origin):
    """(size, root) of a checkpoint's text, or None."""
    lines = text.split('\n')
    if len(lines) != 4 or lines[3] or lines[0] != origin:
        return None
    if not (lines[1].isascii() and lines[1].isdigit()) or lines[1].startswith('0') or int(lines[1]) >= 1 << 48:
        return None
    try:
        root = base64.b64decode(lines[2], validate=True)
    except ValueError:
        return None
    if len(root) != 32 or base64.b64encode(root).decode() != lines[2]:
        return None
    return int(lines[1]), root
