# SPDX-License-Identifier: Apache-2.0
"""Makes variants of an export, of the proof of an entry and of a list of keys, each of which a verifier has to refuse (but
for what begins with "good"), with the log's key where it takes an evil broker.

usage: bend.py SOURCE EXPORT PROOF VKEYS LOG-KEY WITNESS WITNESS-KEY OUT
"""
import base64
import pathlib
import shutil
import sys

source, export, proof, vkeys, log_key, witness, witness_key, out = sys.argv[1:]
sys.path.insert(0, str(pathlib.Path(source) / 'tests/python'))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from tmxspec import merkle, note  # noqa: E402
from tmxspec.digest import sha256  # noqa: E402
from tmxspec.ed25519 import public_bytes  # noqa: E402

EXPORT, OUT = pathlib.Path(export), pathlib.Path(out)
PROOF, KEYS, CHECKPOINT = (pathlib.Path(p).read_text() for p in (proof, vkeys, f'{export}/checkpoint'))
ORIGIN, SIZE, ROOT = CHECKPOINT.split('\n')[:3]
BUNDLE, TILE = (next((EXPORT / 'tile' / kind / '000.p').iterdir()).relative_to(EXPORT) for kind in ('entries', '0'))
HOUR = next((EXPORT / 'checkpoints').iterdir())
SMALL_ORDER = b'\1' + bytes(31)   # the neutral point: R = it and S = 0 are its signature of any text
TYPE_COSIGNATURE = b'\4'


def secret(path):
    lines = dict(line.split() for line in pathlib.Path(path).read_text().splitlines()[1:])
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(lines['secret'])[:32])


def b64(data):
    return base64.b64encode(data).decode()


def copy(name, **files):
    """The export under another name, with other contents of some files."""
    shutil.copytree(EXPORT, OUT / name)
    (OUT / name / 'SHA256').unlink()   # the list of the files as they were
    for path, content in files.items():
        write(f'{name}/{path}', content)


def write(name, content):
    (OUT / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def other(text, at):
    """Another letter there, of base64 too."""
    return text[:at] + ('B' if text[at] == 'A' else 'A') + text[at + 1:]


def head(size, root, more=''):
    """What the log signs when its broker is evil."""
    return note.sign_note(f'{note.checkpoint_text(ORIGIN, size, root)}{more}', ORIGIN, secret(log_key))


def bent_by_a_disk():
    data, tile = (EXPORT / BUNDLE).read_bytes(), (EXPORT / TILE).read_bytes()
    copy('bundle', **{str(BUNDLE): flip(data, len(data) // 2)})
    copy('bundle-cut', **{str(BUNDLE): data[:-1]})
    copy('tile', **{str(TILE): flip(tile, 33)})
    copy('root', checkpoint=CHECKPOINT.replace(ROOT, other(ROOT, 5)))
    line = CHECKPOINT.index('\n', CHECKPOINT.index(note.DASH))   # of the log: those of witnesses follow
    copy('signature', checkpoint=other(CHECKPOINT, line - 20))
    copy('size', checkpoint=CHECKPOINT.replace(f'\n{SIZE}\n', f'\n{int(SIZE) - 1}\n'))


def bent_by_the_broker():
    """One message is another one, and everything that the broker makes of it fits; without a new head, and with one."""
    data, entries = (EXPORT / BUNDLE).read_bytes(), []
    data = data.replace(b'CD974C', b'CD974D', 1)
    rest = data
    while rest:
        end = 2 + int.from_bytes(rest[:2], 'big')
        entries, rest = entries + [rest[2:end]], rest[end:]
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    bent = {str(BUNDLE): data, str(TILE): b''.join(leaves)}
    copy('unsigned', **bent)
    size = int(HOUR.name)
    copy('body', **bent, checkpoint=head(len(leaves), merkle.tree_hash(leaves)),
         **{f'checkpoints/{size}': head(size, merkle.tree_hash(leaves[:size]))})


def heads_that_divide_verifiers():
    root = base64.b64decode(ROOT)
    copy('extension', checkpoint=head(SIZE, root, 'more\n'))
    copy('empty', checkpoint=head(0, sha256(b'')))
    copy('stranger', checkpoint=note.sign_note(note.checkpoint_text(ORIGIN, SIZE, root), ORIGIN, Ed25519PrivateKey.generate()))
    identifier = note.key_id(ORIGIN, SMALL_ORDER)
    copy('small-order', checkpoint=f'{note.checkpoint_text(ORIGIN, SIZE, root)}\n{note.DASH}{ORIGIN} '
         f'{b64(identifier + SMALL_ORDER + bytes(32))}\n')
    write('small-order.vkeys', ''.join(line for line in KEYS.splitlines(True) if not line.startswith(ORIGIN)) +
          note.vkey(ORIGIN, SMALL_ORDER) + '\n')


def cosignatures():
    """A line of a witness more, and one that the witness never made."""
    private, seconds = secret(witness_key), 1790000000
    identifier = sha256(witness.encode() + b'\n' + TYPE_COSIGNATURE + public_bytes(private))[:4]
    text = f'cosignature/v1\ntime {seconds}\n' + note.checkpoint_text(ORIGIN, SIZE, base64.b64decode(ROOT))
    line = identifier + seconds.to_bytes(8, 'big') + private.sign(text.encode())
    copy('good-cosigned', checkpoint=f'{CHECKPOINT}{note.DASH}{witness} {b64(line)}\n')
    copy('cosigned-later', checkpoint=f'{CHECKPOINT}{note.DASH}{witness} {b64(flip(line, 11))}\n')


def earlier_heads():
    """The checkpoint of an earlier hour: bent, exchanged, under another name, and of another history by an evil broker."""
    path, text, size = f'checkpoints/{HOUR.name}', HOUR.read_text(), int(HOUR.name)
    root = text.split('\n')[2]
    witness_line = text.index('\n', text.index('/witness/'))
    copy('hour-root', **{path: text.replace(root, other(root, 5))})
    copy('hour-cut', **{path: text[:len(text) // 2]})
    copy('hour-swapped', **{path: CHECKPOINT})
    copy('hour-twice', **{f'checkpoints/{size - 1}': text})
    copy('hour-signed', **{path: head(size, sha256(b'another'))})
    copy('hour-cosigned', **{path: other(text, witness_line - 20)})


def proofs():
    lines = PROOF.split('\n')
    index = int(lines[2].split()[1])

    def bent(name, at, text):
        write(f'{name}.tlog-proof', '\n'.join(lines[:at] + [text] + lines[at + 1:]))

    bent('path', 4, other(lines[4], 7))
    bent('index', 2, f'index {index ^ 1}')
    bent('beyond', 2, f'index {index + int(SIZE)}')
    bent('entry', 1, other(lines[1], 30))
    write('shorter.tlog-proof', '\n'.join(lines[:3] + lines[4:]))
    write('longer.tlog-proof', '\n'.join(lines[:4] + lines[3:]))
    write('head.tlog-proof', PROOF.replace(f'\n{ROOT}\n', f'\n{other(ROOT, 9)}\n'))


def keys():
    member = next(line for line in KEYS.splitlines(True) if '/node/DE+' in line)
    name = member.split('+')[0]
    write('missing.vkeys', KEYS.replace(member, ''))
    write('another.vkeys', KEYS.replace(member, note.vkey(name, public_bytes(Ed25519PrivateKey.generate())) + '\n'))


OUT.mkdir()
bent_by_a_disk()
bent_by_the_broker()
heads_that_divide_verifiers()
cosignatures()
earlier_heads()
proofs()
keys()
