#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two verifiers of evidence bundles agree: tmx-audit, and the one written from the specification alone (tmxspec.evidence),
which shares no code and no cryptographic library with it. On every bundle that the unit tests make, right and wrong, and on
bundles of them with a byte changed. EVI-1..12

usage: check-evidence.py TMX-AUDIT TEST-PROGRAM…   (programs that write their bundles to TMX_EVIDENCE_OUT)
       check-evidence.py TMX-AUDIT --folder DIR    (real bundles, *.evidence beside authority.pub: none may have a fault)
"""
import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from tmxspec import evidence  # noqa: E402
from tmxspec.directory import Authority  # noqa: E402

AUDIT = sys.argv[1]
CHANGES = 30   # of each sample


def run(*words):
    return subprocess.run([AUDIT, 'verify-evidence', *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60)


def by_audit(path, authority, beside):
    """What tmx-audit says, in the form of by_spec."""
    done = run(path, '--authority', authority, '--json', *(['--container', beside] if beside else []))
    said = json.loads(done.stdout)
    assert done.returncode == (0 if said['verdict'] == 'proved' else 1), done
    if said['fault']:
        return said['fault']['requirement']
    doubtful = {leaf['index'] for d in said['deliveries'] for leaf in d['steps'] if leaf['doubtful']}
    return {
        'states': {d['member']: d['state'] for d in said['deliveries']},
        'slots': {d['member']: d['slot'] for d in said['deliveries'] if d['slot']},
        'disputed': {d['member'] for d in said['deliveries'] if d['disputed']},
        'doubtful': doubtful | {leaf['index'] for leaf in said['admissions'] if leaf['doubtful']},
        'witnesses': [(c['witnesses'], c['quorum']) for c in said['checkpoints']],
        'header': said['header_digest'],
        'payload': said['content'].get('sha256'),
    }


def by_spec(data, authority, beside):
    try:
        b = evidence.Bundle(data, Authority.read(authority.read_text()), beside.read_bytes() if beside else None)
    except evidence.Fault as fault:
        return fault.rule
    return {
        'states': {code.decode(): state for code, state in b.states.items()},
        'slots': {code.decode(): slot for code, slot in b.slots.items()},
        'disputed': {code.decode() for code in b.disputed},
        'doubtful': {leaf.index for leaf in b.leaves if leaf.doubtful},
        'witnesses': [(count, at is not None) for count, at in b.witnesses],
        'header': b.header_digest.hex(),
        'payload': hashlib.sha256(b.payload).hexdigest() if b.payload is not None else None,
    }


def beside_of(path, ending):
    other = path.with_suffix(ending)
    return other if other.exists() else None


def agree(path):
    """What both say of a bundle of the tests."""
    authority = beside_of(path, '.authority') or path.with_name('authority.pub')
    container = beside_of(path, '.container')
    one, other = by_audit(path, authority, container), by_spec(path.read_bytes(), authority, container)
    assert one == other, f'{path.name}: tmx-audit says {one}, the specification {other}'
    return one


def agree_on_changes(path, rng):
    """With a byte changed: which requirement it breaks first may depend on the order, whether it breaks one may not."""
    whole, bent = path.read_bytes(), path.with_name('bent')
    authority = path.with_name('authority.pub')
    for _ in range(CHANGES):
        at = rng.randrange(len(whole))
        bent.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1:])
        one, other = by_audit(bent, authority, None), by_spec(bent.read_bytes(), authority, None)
        assert one == other or (isinstance(one, str) and isinstance(other, str)), f'{path.name}, byte {at}: {one}, {other}'


def command(folder):
    """Exit codes, files and errors."""
    good, authority, payload = folder / 'disclosed.evidence', folder / 'authority.pub', folder / 'payload'
    assert run(good).returncode == 64 and run(good, '--authority', authority, '--out', 'x').returncode == 64
    done = run(good, '--authority', authority, '--payload-out', payload)
    assert done.returncode == 0 and 'This does not prove:' in done.stdout and not done.stderr, done
    assert payload.read_bytes() == b'<CD001C>what is declared</CD001C>' and payload.stat().st_mode & 0o77 == 0
    payload.unlink()
    for name, text in (('delivered', 'does not disclose the content key'), ('bent', 'the bundle has a fault')):
        (folder / 'bent').write_bytes(good.read_bytes()[:-1])
        path = folder / 'bent' if name == 'bent' else folder / f'{name}.evidence'
        done = run(path, '--authority', authority, '--payload-out', payload)
        assert done.returncode == 1 and text in done.stderr and not payload.exists(), done
    done = run(folder / 'bent', '--authority', authority)
    assert done.returncode == 1 and 'cut short or damaged (EVI-1)' in done.stdout and 'This proves' not in done.stdout, done
    done = run(authority, '--authority', authority)
    assert done.returncode == 1 and 'it is the authority file' in done.stdout, done
    done = run(folder / 'nowhere', '--authority', authority)
    assert done.returncode == 1 and 'nowhere: No such file' in done.stderr, done
    done = run(good, '--authority', good)
    assert done.returncode == 1 and 'the authority file is not one' in done.stderr, done
    with open(folder / 'large', 'wb') as large:
        large.truncate((64 << 20) + 1)
    done = run(folder / 'large', '--authority', authority)
    assert done.returncode == 1 and 'larger than an evidence bundle can be' in done.stderr, done


def of_folder(folder):
    for path in sorted(folder.glob('*.evidence')):
        verdict = agree(path)
        assert isinstance(verdict, dict), f'{path.name}: {verdict}'
        agree_on_changes(path, random.Random(1))


def main():
    if sys.argv[2] == '--folder':
        return of_folder(pathlib.Path(sys.argv[3]))
    with tempfile.TemporaryDirectory(prefix='tmx-evidence-') as name:
        folder = pathlib.Path(name)
        for program in sys.argv[2:]:
            done = subprocess.run([program], env={**os.environ, 'TMX_EVIDENCE_OUT': name}, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=120)
            assert done.returncode == 0, done.stdout
        bundles = sorted(folder.glob('*.evidence'))
        said = [agree(path) for path in bundles]
        faults = {verdict for verdict in said if isinstance(verdict, str)}
        assert faults == {f'EVI-{n}' for n in range(1, 12)}, faults
        samples = [path for path in bundles if not path.name.startswith('case-')]
        rng = random.Random(1)
        for path in samples:
            agree_on_changes(path, rng)
        command(folder)
        print(f'{len(bundles)} bundles, {sum(isinstance(v, str) for v in said)} of them with a fault, and '
              f'{CHANGES * len(samples)} changed ones: both verifiers agree')


main()
