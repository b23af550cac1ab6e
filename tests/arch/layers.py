#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Includes point one way: base <- wire <- envelope <- {link, queue, audit} <- pure modules of broker and node <- io <- main.

The layer of a public header is the folder whose .c files implement it; HEADERS below says which. Also checked: <zmq.h>
and <lmdb.h> appear in one file of the product (the spool's own files count as one module), and so do libcrypto's and libmicrohttpd's headers;
private headers stay in their folder, protobuf-c is called in one file.
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]

HEADERS = {
    'base': 'ages err bytes series text limits code',
    'wire': 'codec gateframe',
    'envelope': 'batch seal identifier catalogue directory envelope evidence operator',
    'audit': 'merkle misbehaviour note policy projection tree witness',
    'queue': 'spool',
    'io': 'transport zap gate_stream gate_link spool_lmdb keyfile passphrase config control locale log notify clock startup answer outbox room findings help inspect http doctor why',
    'client': 'client',
}
LAYER_OF_HEADER = {h: layer for layer, names in HEADERS.items() for h in names.split()}

# folder -> layers it may use
MAY_USE = {
    'lib/base': {'base'},
    'lib/wire': {'base', 'wire', 'frames'},
    'lib/audit': {'base', 'audit'},
    'lib/envelope': {'base', 'wire', 'audit', 'envelope'},
    'lib/link': {'base', 'wire', 'audit', 'envelope', 'link'},
    'lib/queue': {'base', 'wire', 'envelope', 'queue'},
    'lib/io': {'base', 'wire', 'audit', 'envelope', 'queue', 'io'},
    'broker/core': {'base', 'wire', 'audit', 'envelope', 'queue'},
    'node/core': {'base', 'wire', 'audit', 'envelope', 'queue'},
    'broker/audit': {'base', 'wire', 'audit', 'envelope', 'io'},
    'broker/authority': {'base', 'wire', 'audit', 'envelope', 'io'},
    'broker/gate': {'base', 'wire', 'io'},
    'broker/ctl': {'base', 'wire', 'audit', 'envelope', 'io'},
    'broker': {'base', 'wire', 'audit', 'envelope', 'queue', 'io'},
    'node/client': {'base', 'wire', 'io', 'client'},
    'node/cli': {'base', 'envelope', 'client', 'io'},
    'node': {'base', 'wire', 'audit', 'envelope', 'queue', 'io'},
}
# The parts of a daemon that have a folder of their own use what the daemon does, and its header.
PARTS = {'broker/control', 'broker/why', 'broker/shard', 'node/control', 'node/why'}
MAY_USE.update({part: MAY_USE[part.split('/')[0]] for part in PARTS})

# What frames of the gate carry is declared with the transport; the codec of those frames may name it.
EXCEPT = {('lib/wire', 'transport'), ('include/tmx', 'transport')}

TRANSPORT = {f'transport_{part}.c' for part in ('zmq', 'zap', 'socket', 'message')}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
errors = []


def sources():
    for top in ('lib', 'broker', 'node', 'include'):
        for path in sorted((TOP / top).rglob('*.[ch]')):
            yield path


def check(path):
    folder = path.parent.relative_to(TOP).as_posix()
    text = path.read_text()
    for kind, name in INCLUDE.findall(text):
        where = f'{path.relative_to(TOP)}: includes {name}'
        if name == 'zmq.h' and path.name != 'transport_zmq.h':
            errors.append(f'{where}: only lib/io/transport_zmq.h may')
        if name == 'transport_zmq.h' and path.name not in TRANSPORT:
            errors.append(f'{where}: only the ZeroMQ transport may')
        if name == 'lmdb.h' and not path.name.startswith('spool_'):
            errors.append(f'{where}: only the LMDB spool may')
        if name == 'microhttpd.h' and path.name != 'http.c':
            errors.append(f'{where}: only lib/io/http.c may')
        if name.startswith('openssl/') and path.name != 'tsa.c':
            errors.append(f'{where}: only broker/audit/tsa.c may')
        if name.startswith('tmx/') and folder in MAY_USE:
            header = name[4:-2]
            layer = LAYER_OF_HEADER.get(header)
            if layer is None:
                errors.append(f'{where}: which folder implements it? add it to HEADERS in tests/arch/layers.py')
            elif layer not in MAY_USE[folder] and (folder, header) not in EXCEPT:
                errors.append(f'{where}: {folder} may not use {layer}')
        if kind == '"' and '/' in name and not (name == '../daemon.h' and folder in PARTS):
            errors.append(f'{where}: private headers stay in their folder')
    if path.suffix == '.c' and folder != 'include' and path.name != 'codec.c':
        for call in re.findall(r'\bprotobuf_c_message_(?:unpack|pack\w*|free_unpacked)\s*\(', text):
            errors.append(f'{path.relative_to(TOP)}: calls {call[:-1]}: only lib/wire/codec.c may')
    if folder not in MAY_USE and path.suffix == '.c':
        errors.append(f'{path.relative_to(TOP)}: folder {folder} has no line in MAY_USE')


for p in sources():
    check(p)
print('\n'.join(errors) or 'include directions hold')
sys.exit(1 if errors else 0)
