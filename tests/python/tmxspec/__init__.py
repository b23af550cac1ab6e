# SPDX-License-Identifier: Apache-2.0
"""A TMX node written from proto/README.md and the .proto files beside it, and from nothing else.

It shares no code and no cryptographic library with the exchange: hashlib, python3-cryptography (OpenSSL), python3-zmq.
One module for one section of the specification; docstrings name the requirements a module keeps.
"""
