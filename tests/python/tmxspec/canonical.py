# SPDX-License-Identifier: Apache-2.0
"""Protobuf in canonical form (ENV-2, ENV-3): `parse` refuses what `pack` would not have made."""
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf.message import DecodeError

PROTO = pathlib.Path(__file__).resolve().parents[3] / 'proto'

# The classes are made from the specification's own files, once for each run.
with tempfile.TemporaryDirectory(prefix='tmx-proto-') as _folder:
    subprocess.run(['protoc', f'-I{PROTO}', f'--python_out={_folder}', *sorted(map(str, PROTO.glob('*.proto')))], check=True)
    sys.path.insert(0, _folder)
    import audit_pb2 as audit
    import directory_pb2 as directory
    import envelope_pb2 as envelope
    import evidence_pb2 as evidence
    import link_pb2 as link
    sys.path.pop(0)

__all__ = ['Malformed', 'audit', 'directory', 'envelope', 'evidence', 'link', 'pack', 'parse', 'parse_kind']


class Malformed(ValueError):
    """Bytes that break a rule of form."""


def pack(message):
    return message.SerializeToString(deterministic=True)


def parse(kind, data):
    """The message of class `kind`; its bytes must be the only ones for it: pack(parse(x)) == x."""
    try:
        message = kind.FromString(data)
    except DecodeError as error:
        raise Malformed(f'{kind.__name__}: {error}') from None
    # Python keeps unknown fields and would write them again.
    message.DiscardUnknownFields()
    if pack(message) != data:
        raise Malformed(f'{kind.__name__}: not canonical')
    return message


def parse_kind(kind, number, data):
    """A signed body; field 1 says which (ENV-4)."""
    message = parse(kind, data)
    if message.kind != number:
        raise Malformed(f'{kind.__name__}: kind {message.kind:#x}')
    return message
