/* SPDX-License-Identifier: Apache-2.0
 * A transport under test: a server that admits FR and DE, clients on the transport, and stock clients. Everything
 * waits for a condition with a deadline; what fails, fails the cmocka test.
 */
#pragma once

#include <tmx/transport.h>

#define DEADLINE_MS 10000

struct world {
    struct tmx_curve keys, fr, de, stranger;
    struct tmx_transport *server;
    struct tmx_socket *socket;
    struct tmx_transport *clients;
    void *context;   /* of stock clients */
    struct tmx_message m;
};

int64_t now_ms(void);
int setup(void **state);       /* *state: a struct world */
void finish(struct world *w);  /* when all went well: a failed test must say so, not hang in what it left open */
void admit(struct world *w, bool with_fr);
struct tmx_socket *client_of(struct world *w, const struct tmx_curve *curve);

/* Lets the server work for a moment; true when a message came: then it is in w->m. */
bool serve_once(struct world *w);
void await_message(struct world *w);
/* Sends once the connection stands; the server works meanwhile and must get nothing else. */
void send_when_up(struct world *w, struct tmx_socket *s, const struct tmx_bytes *frames, size_t n);
void await_at_client(struct world *w, struct tmx_socket *s, struct tmx_message *m);
/* The exchange goes on: a message of this client arrives under this name and the answer comes back. */
void expect_exchange(struct world *w, struct tmx_socket *s, const char *name);

/* A stock client with a monitor, so that one sees its connection end. */
struct stock {
    void *zmq;
    void *monitor;
};

struct stock stock_new(struct world *w);
void stock_close(struct stock *s);
void stock_curve(struct stock *s, const struct tmx_curve *curve, const uint8_t server_key[32]);
/* The next event of the monitor, or 0. */
int stock_event(struct stock *s);
/* The server works until the client's connection has ended without a handshake; nothing may come in. */
void expect_refused(struct world *w, struct stock *s);
