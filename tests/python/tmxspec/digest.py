# SPDX-License-Identifier: Apache-2.0
"""The two digests of the specification (Conventions), and BLAKE2b with a key."""
import hashlib


def sha256(data):
    """H(x)"""
    return hashlib.sha256(data).digest()


def blake2b(data, key=b'', size=32):
    """D(x), without a key."""
    return hashlib.blake2b(data, key=key, digest_size=size).digest()
