/* SPDX-License-Identifier: Apache-2.0
 * A ZMTP 3 client with CURVE (RFC 23, 26) over a plain socket, for what a stock client refuses to do: claim a User-Id,
 * send parts without end, break off anywhere. Blocking, with a receive timeout; every failure is a return value.
 */
#pragma once

#include <tmx/transport.h>

struct curve_client {
    int fd;
    uint8_t shared[32];   /* of the two short-term keys */
    uint64_t nonce;
};

/* Descriptor of a TCP connection to "tcp://127.0.0.1:port", with 10 s receive timeout; -1. */
int tcp_connect(const char *endpoint);
/* Writes all; false when the other side is gone. */
bool tcp_write(int fd, const void *data, size_t size);

/* Handshake; `user_id` becomes a User-Id property unless NULL. False when refused. */
bool curve_client_open(struct curve_client *c, const char *endpoint, const struct tmx_curve *keys,
                       const uint8_t server_key[32], const char *user_id);
/* Sends one part. */
bool curve_client_send(struct curve_client *c, struct tmx_bytes part, bool more);
