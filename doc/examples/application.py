# SPDX-License-Identifier: Apache-2.0
"""A national application's way to its node: ZeroMQ and the messages of proto/application.proto, nothing else of TMX.

    protoc -I /usr/src/tmx/proto --python_out=. application.proto       makes application_pb2.py"""
import time

import zmq
from zmq.utils import z85

import application_pb2 as pb

ENDPOINT = 'ipc:///run/tmx-node/application.sock'


class Refused(Exception):
    """The node refused a request and changed nothing: `code` of include/tmx/code.h, and a sentence."""

    def __init__(self, response):
        super().__init__(response.text.decode())
        self.code = response.code


class Node:
    """`keys` for a node at tcp://: own public and own secret key and the node's public one, 32 bytes each."""

    def __init__(self, endpoint=ENDPOINT, keys=None):
        self.endpoint, self.keys, self.number, self.socket = endpoint, keys, 0, None

    def connect(self):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        if self.keys:
            self.socket.curve_publickey, self.socket.curve_secretkey, self.socket.curve_serverkey = map(z85.encode, self.keys)
        self.socket.connect(self.endpoint)

    def ask(self, request, *payload, timeout=10):
        """The response and its payload frames. TimeoutError: no answer; the request may have been carried out all the same."""
        if self.socket is None:
            self.connect()
        self.number += 1
        request.id = self.number
        self.socket.send_multipart([request.SerializeToString(), *payload])
        until = time.monotonic() + timeout
        while self.socket.poll(max(0, until - time.monotonic()) * 1000):
            head, *frames = self.socket.recv_multipart()
            response = pb.Response.FromString(head)
            if response.id != self.number:
                continue                    # a late answer to a question that was given up
            if response.code:
                raise Refused(response)
            return response, frames
        self.socket.close()
        self.socket = None
        raise TimeoutError(f'no answer from the node at {self.endpoint}')

    def insist(self, request, *payload, attempts=10):
        """For what may be asked again: submit by its reference, acknowledge and refuse by their token, everything that looks."""
        for attempt in range(1, attempts + 1):
            try:
                return self.ask(request, *payload)
            except (TimeoutError, Refused) as error:
                passes = isinstance(error, TimeoutError) or 300 <= error.code < 400
                if not passes or attempt == attempts:
                    raise
                time.sleep(attempt)
