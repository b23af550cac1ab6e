# SPDX-License-Identifier: Apache-2.0
"""The plaintext inside a container: Content, payload, padding (CON-1..3)."""
import io

import zstandard

from .canonical import Malformed, envelope, pack, parse

PADDING, PAYLOAD_MAX = 256, 20 << 20


def fill(message_id, message_type, payload, compress, **fields):
    """The plaintext that carries `payload`."""
    stored = zstandard.ZstdCompressor().compress(payload) if compress else payload
    content = pack(envelope.Content(message_id=message_id, message_type=message_type, payload_bytes=len(payload),
                                    compression=int(compress), stored_bytes=len(stored), **fields))
    plaintext = len(content).to_bytes(4, 'big') + content + stored
    return plaintext + bytes(-len(plaintext) % PADDING)


def inflate(stored, size):
    """Exactly one zstd frame of exactly `size` bytes; never more than that is inflated."""
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(stored), read_across_frames=False) as reader:
        try:
            payload = reader.read(size + 1)
        except zstandard.ZstdError as error:
            raise Malformed(f'content: {error}') from None
    if len(payload) != size:
        raise Malformed('content: inflates to another size')
    # The size is known to be bounded now; what is left is whether one frame ends where the bytes end.
    frame = zstandard.ZstdDecompressor().decompressobj()
    frame.decompress(stored)
    if not frame.eof or frame.unused_data:
        raise Malformed('content: not one frame')
    return payload


def read(plaintext):
    """(Content, payload)"""
    n = int.from_bytes(plaintext[:4], 'big')
    if len(plaintext) < 4 or n > len(plaintext) - 4:
        raise Malformed('content: no Content')
    content = parse(envelope.Content, plaintext[4:4 + n])
    end = 4 + n + content.stored_bytes
    padding = plaintext[end:]
    if end > len(plaintext) or len(padding) >= PADDING or any(padding) or len(plaintext) % PADDING:
        raise Malformed('content: padding')
    if content.payload_bytes > PAYLOAD_MAX or content.compression not in (0, 1):
        raise Malformed('content: size or compression')
    stored = plaintext[4 + n:end]
    if content.compression:
        return content, inflate(stored, content.payload_bytes)
    if content.payload_bytes != content.stored_bytes:
        raise Malformed('content: two sizes')
    return content, stored
