# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, asked over its DevTools protocol with the standard library alone."""
import base64
import json
import os
import pathlib
import socket
import struct
import subprocess
import time
import urllib.request


class Socket:
    """A WebSocket (RFC 6455), as far as DevTools needs it: text messages, which may come in parts."""

    def __init__(self, url):
        host, path = url.removeprefix('ws://').split('/', 1)
        name, port = host.split(':')
        self.socket = socket.create_connection((name, int(port)), timeout=30)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f'GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
                            f'Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n'.encode())
        self.file = self.socket.makefile('rb')
        assert b' 101 ' in self.file.readline()
        while self.file.readline() != b'\r\n':
            pass

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b'\xfe' + struct.pack('>H', len(data)) \
            if len(data) < 65536 else b'\xff' + struct.pack('>Q', len(data))
        self.socket.sendall(b'\x81' + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def receive(self):
        whole = b''
        while True:
            head = self.file.read(2)
            size = head[1] & 127
            size = struct.unpack('>H', self.file.read(2))[0] if size == 126 else \
                struct.unpack('>Q', self.file.read(8))[0] if size == 127 else size
            data = self.file.read(size)
            if head[0] & 15 > 2:   # ping and close: none of a test's few seconds
                continue
            whole += data
            if head[0] & 0x80:
                return whole.decode()


class Browser:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        root = ['--no-sandbox'] if os.getuid() == 0 else []
        with open(self.folder / 'chromium.log', 'wb') as log:
            self.process = subprocess.Popen(
                ['chromium', '--headless=new', '--disable-gpu', '--hide-scrollbars', '--remote-debugging-port=0', *root,
                 f'--user-data-dir={self.folder / "profile"}', 'about:blank'], stdout=log, stderr=log)
        port = self.await_(lambda: (self.folder / 'profile/DevToolsActivePort').read_text().split('\n')[0], FileNotFoundError)
        with urllib.request.urlopen(f'http://127.0.0.1:{port}/json/list', timeout=10) as answer:
            page = next(t for t in json.load(answer) if t['type'] == 'page')
        self.socket, self.last, self.complaints = Socket(page['webSocketDebuggerUrl']), 0, []
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.call(f'{domain}.enable')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)

    @staticmethod
    def await_(condition, *errors, seconds=30):
        end = time.monotonic() + seconds
        while True:
            try:
                if value := condition():
                    return value
            except errors:
                pass
            assert time.monotonic() < end, 'it does not come about'
            time.sleep(0.1)

    def call(self, method, **parameters):
        self.last += 1
        self.socket.send(json.dumps({'id': self.last, 'method': method, 'params': parameters}))
        while True:
            message = json.loads(self.socket.receive())
            if message.get('id') == self.last:
                assert 'error' not in message, message
                return message['result']
            self.take(message)

    def take(self, event):
        """What a page does wrong: errors, violations of its policy, and requests that leave this machine."""
        name, p = event.get('method'), event.get('params', {})
        if name == 'Runtime.exceptionThrown':
            self.complaints.append(p['exceptionDetails'].get('exception', {}).get('description', str(p)))
        elif name == 'Log.entryAdded' and p['entry']['level'] == 'error' and p['entry']['source'] != 'network':
            self.complaints.append(p['entry']['text'])
        elif name == 'Network.requestWillBeSent' and not p['request']['url'].startswith(('http://127.0.0.1:', 'data:', 'about:')):
            self.complaints.append('asks for ' + p['request']['url'])

    def evaluate(self, expression):
        result = self.call('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        assert 'exceptionDetails' not in result, result['exceptionDetails']
        return result['result'].get('value')

    def screen(self, width, height, scheme, motion='no-preference'):
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.call('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': scheme},
                                                          {'name': 'prefers-reduced-motion', 'value': motion}])

    def open(self, url):
        self.call('Page.navigate', url=url)
        self.await_(lambda: self.evaluate('location.href + document.readyState') == f'{url}complete')

    def picture(self, path):
        shot = self.call('Page.captureScreenshot', captureBeyondViewport=True)
        pathlib.Path(path).write_bytes(base64.b64decode(shot['data']))
