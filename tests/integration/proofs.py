#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tmx-audit proves convinces a verifier that shares no code with it: entries of a real log (LOG-7), and a fork by a
broker that signs a second history (LOG-8). And of a real log bundles are made that convince both (EVI-1..12).

usage: proofs.py SOURCE BUILD
"""
import base64
import json
import pathlib
import subprocess
import sys

SOURCE, BUILD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
sys.path.insert(0, str(SOURCE / 'tests/python'))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from tmxspec import body, ed25519, evidence, export, merkle, note, proofs  # noqa: E402
from tmxspec.canonical import audit as leaf, evidence as pb, pack, parse  # noqa: E402
from tmxspec.directory import Authority  # noqa: E402
from tmxspec.log import Log  # noqa: E402
from world import World  # noqa: E402

ORIGIN = 'tmx.demo/log/2026a'


def audit(world, *words):
    """Exit code, standard output and standard error of tmx-audit."""
    done = subprocess.run([BUILD / 'broker/audit/tmx-audit', *map(str, words), '--authority', world.file('authority.pub')],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


def export_to(world, name):
    world.run('broker/audit/tmx-audit', 'export', '--socket', world.file('broker/run/control'), world.file(name))
    return world.file(name)


def log_key(world):
    """The secret with which the broker signs: what an evil one has."""
    lines = dict(line.split() for line in world.file('broker/keys/log.key').read_text().splitlines()[1:])
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(lines['secret'])[:32])


def traffic(world, first, count):
    for i in range(first, first + count):
        world.send('DE', f'message-{i}', b'payload %d' % i, '--type', 'CD974C', '--mrn', '26DE004051K7M2P8J8')
    world.message_accepted('DE', f'message-{first + count - 1}')


def entries_are_proved(world, folder, log):
    entries = export.read(folder, log)
    for index, entry in enumerate(entries):
        code, text, error = audit(world, 'prove', folder, index)
        assert code == 0, error
        assert proofs.read_proof(text, ORIGIN, log.key) == (index, entry), text
        bent = text.replace(f'index {index}', f'index {(index + 1) % len(entries)}')
        assert proofs.read_proof(bent, ORIGIN, log.key) is None, 'the verifier takes anything'
    code, _, error = audit(world, 'prove', folder, len(entries))
    assert code == 1 and f'there is no entry {len(entries)}' in error, error
    return len(entries)


def evil_head(world, name, size, key):
    """A head the log never had, signed all the same."""
    path = world.file(name)
    path.write_text(note.sign_note(note.checkpoint_text(ORIGIN, size, bytes(31) + b'\1'), ORIGIN, key))
    return path


def fork_needs_its_directory(world, folder, out):
    code, _, error = audit(world, 'verify-misbehaviour', out)
    assert code == 1 and f'{out}.directory: the signed directory that lists the log cannot be read' in error, error
    world.file(f'{out.name}.directory').write_bytes((folder / 'directories/1').read_bytes())
    code, text, error = audit(world, 'verify-misbehaviour', out)
    assert code == 0 and 'verdict     FORK: the log signed two histories' in text, (text, error)
    out.write_text(out.read_text() + '\nmore\n')
    code, text, error = audit(world, 'verify-misbehaviour', out)
    assert code == 1 and 'this is no proof of misbehaviour' in error, (text, error)


def fork_is_proved(world, folder, size, key, public):
    for other in (size, size - 1, 1):
        head, out = evil_head(world, f'evil-{other}', other, key), world.file(f'fork-{other}')
        code, text, error = audit(world, 'compare', folder, head, '--json', '--out', out)
        assert code == 1 and json.loads(text)['verdict'] == 'fork', (text, error)
        assert proofs.read_fork(out.read_text(), ORIGIN, public) == (other, size), out.read_text()
        assert proofs.read_fork(out.read_text(), ORIGIN, ed25519.public_bytes(ed25519.new_key())) is None
        code, text, error = audit(world, 'verify-misbehaviour', out, '--directory', folder / 'directories/1', '--json')
        assert code == 0 and json.loads(text)['verdict'] == 'fork', (text, error)
    fork_needs_its_directory(world, folder, out)
    stranger = evil_head(world, 'stranger', size, ed25519.new_key())
    code, _, error = audit(world, 'compare', folder, stranger)
    assert code == 1 and 'the log did not sign its checkpoint' in error, error
    code, _, error = audit(world, 'compare', folder, evil_head(world, 'longer', size + 1, key))
    assert code == 1 and 'a checkpoint alone does not show what is between' in error, error
    code, _, error = audit(world, 'compare', head, head)
    assert code == 1 and 'one of the two must be an export' in error, error


def deliver(world, reference, answer):
    """A message from DE to IT, whose application answers it."""
    path, folder = world.file(reference), world.file('in-IT')
    path.write_bytes(b'what is declared')
    folder.mkdir(exist_ok=True)
    world.tmx('DE', 'send', '--to', 'IT', '--reference', reference, '--type', 'CD974C', '--mrn', '26DE004051K7M2P8J8', path)
    got, = world.tmx('IT', 'receive', '--wait', 10, '--max', 1, '--to', folder)
    world.tmx('IT', answer, got['id'], got['token'], *(['--reason', 'broken seals'] if answer == 'refuse' else []))
    return world.message('DE', reference, 'refused' if answer == 'refuse' else 'delivered')['id']


def is_about(entry, message_id, recipients):
    """Whether an entry belongs in the bundle of the message."""
    if entry.kind in (leaf.ENTRY_ACCEPTANCE, leaf.ENTRY_REPORT, leaf.ENTRY_REFUSAL):
        read = {body.KIND_HEADER: body.read_header, body.KIND_REPORT: body.read_report}.get(body.kind_of(entry.body))
        return read is not None and read(entry.body).message_id == message_id
    return entry.message_id == message_id or (entry.kind == leaf.ENTRY_PREKEYS and entry.member in recipients)


def message_is_evident(world, folder, entries, shown_id, recipient, state):
    message_id = bytes.fromhex(shown_id.replace('-', ''))
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    bundle = pb.Evidence(version=1, message_id=message_id, checkpoints=[(folder / 'checkpoint').read_bytes()])
    serials = set()
    for index, data in enumerate(entries):
        entry = parse(leaf.LogEntry, data)
        if is_about(entry, message_id, [recipient]):
            serials.add(entry.directory_serial)
            bundle.leaves.add(entry=data, index=index, path=b''.join(merkle.path(index, leaves)))
    bundle.directories.extend((folder / f'directories/{serial}').read_bytes() for serial in sorted(serials))
    path = world.file(f'{shown_id}.evidence')
    path.write_bytes(pack(bundle))
    code, text, error = audit(world, 'verify-evidence', path, '--json')
    said = json.loads(text)
    assert code == 0 and [d['state'] for d in said['deliveries']] == [state], (text, error)
    checked = evidence.Bundle(path.read_bytes(), Authority.read(world.file('authority.pub').read_text()))
    assert checked.states == {recipient: state}
    return len(bundle.leaves)


def main():
    with World(SOURCE, BUILD, ['DE', 'IT']) as world:
        world.start_nodes()
        traffic(world, 0, 3)
        earlier = export_to(world, 'earlier')
        traffic(world, 3, 3)
        taken, refused = deliver(world, 'taken', 'ack'), deliver(world, 'refused', 'refuse')
        later = export_to(world, 'later')
        key = log_key(world)
        log = Log('2026a', ORIGIN, ed25519.public_bytes(key))
        log.root = merkle.tree_hash([])   # nothing of it is known here before
        size = entries_are_proved(world, later, log)
        entries = export.read(later, log)
        waiting = world.message('DE', 'message-5', 'accepted')['id']
        for shown_id, recipient, state in ((taken, b'IT', 'delivered'), (refused, b'IT', 'refused'), (waiting, b'CH', 'accepted')):
            message_is_evident(world, later, entries, shown_id, recipient, state)
        code, text, error = audit(world, 'compare', later, earlier)
        assert code == 0 and 'consistent: the longer continues the shorter' in text, (text, error)
        fork_is_proved(world, later, size, key, log.key)
        print(f'{size} entries proved; forks proved; three messages evident')


main()
