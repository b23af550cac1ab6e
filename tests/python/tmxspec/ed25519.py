# SPDX-License-Identifier: Apache-2.0
"""Ed25519 by OpenSSL, with the refusals OpenSSL leaves out and the specification asks for (BAT-4, DIR-1).

The little arithmetic here (RFC 8032 5.1) judges points of public data only; no secret passes through it.
"""
import functools

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
IDENTITY = (0, 1, 1, 0)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(n, p):
    q = IDENTITY
    while n:
        if n & 1:
            q = add(q, p)
        p, n = add(p, p), n >> 1
    return q


def is_identity(p):
    return p[0] % P == 0 and (p[1] - p[2]) % P == 0


def decode(data):
    """The point of a canonical encoding, or None."""
    y = int.from_bytes(data, 'little')
    sign, y = y >> 255, y & (1 << 255) - 1
    if len(data) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


@functools.lru_cache(maxsize=1024)
def is_key(data):
    """A point of the main subgroup, and not its identity."""
    point = decode(data)
    return point is not None and not is_identity(point) and is_identity(multiply(L, point))


def strict(data):
    """Canonical and not of small order: what a signature's R and its key have to be."""
    point = decode(data)
    return point is not None and not is_identity(multiply(8, point))


def verify(key, signature, text):
    if len(signature) != 64 or int.from_bytes(signature[32:], 'little') >= L or not strict(key) or not strict(signature[:32]):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except InvalidSignature:
        return False
    return True


def public_bytes(private):
    return private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def new_key():
    return Ed25519PrivateKey.generate()
