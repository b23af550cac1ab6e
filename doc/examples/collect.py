#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Leases what came, makes it durable, then acknowledges it, or refuses what it can never take: collect.py ENDPOINT FOLDER"""
import os
import pathlib
import sys
import xml.etree.ElementTree

from application import Node, pb


def leases(node):
    """A payload frame for each message. The lease lasts as long as the node says; `renew` is for who needs more."""
    request = pb.Request()
    request.lease.max, request.lease.wait_ms = 16, 5000
    response, payloads = node.ask(request, timeout=15)
    return zip(response.lease.messages, payloads)


def keep(folder, message, payload):
    """Durable under its id: a message that is handed over again finds itself, whatever `redelivered` says."""
    path = folder / message.message_id.hex()
    with open(path.with_suffix('.arriving'), 'wb') as file:
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)
    directory = os.open(folder, os.O_DIRECTORY)
    os.fsync(directory)
    os.close(directory)


def fault(payload):
    try:
        xml.etree.ElementTree.fromstring(payload)
    except xml.etree.ElementTree.ParseError as error:
        return f'this is not XML: {error}'
    return None


def main():
    node, folder = Node(sys.argv[1]), pathlib.Path(sys.argv[2])
    for message, payload in leases(node):
        request = pb.Request()
        reason = fault(payload)
        if reason:
            request.refuse.message_id, request.refuse.token = message.message_id, message.token
            request.refuse.code, request.refuse.text = 601, reason.encode()[:512]
        else:
            keep(folder, message, payload)
            request.ack.message_id, request.ack.token = message.message_id, message.token
        node.insist(request)
        print('refused' if reason else 'took', 'a', message.message_type.decode(), 'from', message.sender.decode())


main()
