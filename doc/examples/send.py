#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Submits one file and follows it until its recipient took it, or did not: send.py FILE TYPE RECIPIENT MRN REFERENCE"""
import sys

from application import Node, Refused, pb

ENDS = {b'CoD', b'refused', b'expired', b'CoE', b'rejected'}


def submit(node, path, message_type, recipient, mrn, reference):
    request = pb.Request()
    request.submit.reference = reference.encode()
    request.submit.recipients.append(recipient.encode())
    request.submit.message_type = message_type.encode()
    request.submit.mrn = mrn.encode()
    request.submit.media_type = b'application/xml'
    with open(path, 'rb') as file:
        response, _ = node.insist(request, file.read())
    return response.submit.message_id


def events(node, after=0):
    """Every step of every message, for ever. A real application keeps `next` with its own data, and goes on from there."""
    while True:
        request = pb.Request()
        request.events.after, request.events.max, request.events.wait_ms = after, 1000, 5000
        response, _ = node.insist(request)
        yield from response.events.events
        after = response.events.next


def main():
    node = Node()
    try:
        message_id = submit(node, *sys.argv[1:])
        print(message_id.hex())
        for event in events(node):
            if event.message_id == message_id:
                print(event.step.what.decode(), event.step.who.decode(), event.step.text.decode(), sep=' ')
                if event.step.what in ENDS:
                    return
    except (Refused, TimeoutError) as error:
        sys.exit(str(error))


main()
