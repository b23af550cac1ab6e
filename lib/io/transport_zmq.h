/* SPDX-License-Identifier: Apache-2.0
 * What the files of the ZeroMQ transport share: transport_zmq.c (the context, waiting), transport_zap.c (who is let in),
 * transport_socket.c (sockets made and closed, what becomes of their connections), transport_message.c (messages in and out).
 * Only these include <zmq.h>.
 */
#pragma once

#include <zmq.h>

#include <tmx/transport.h>
#include <tmx/zap.h>

#include "transport_options.h"

#define ENDPOINT_SIZE 256u

struct bounds {
    size_t frame, message, control;
};

struct tmx_transport {
    const struct bounds *bounds;   /* of sockets made now */
    void *context;
    void *zap_socket;
    struct tmx_zap *zap;   /* NULL: no server */
    struct tmx_transport_counters counters;
    size_t n_sockets;
};

struct tmx_socket {
    struct tmx_transport *transport;
    const struct bounds *bounds;
    void *zmq;
    void *monitor;                    /* NULL: nobody asks about its connections */
    struct tmx_socket_story story;
    bool router;
    bool named;                       /* messages must bear a User-Id */
    size_t n_parts;
    zmq_msg_t parts[TMX_FRAMES_MAX];  /* what the last receive lent out */
    char endpoint[ENDPOINT_SIZE];
};

/* Options of any width, in this order. */
struct setting {
    int name;
    const void *data;
    size_t size;
};

int transport_settings_set(void *zmq, const struct setting *settings, size_t n);
int transport_options_set(void *zmq, const struct option *options, size_t n);

/* transport_message.c: one part at a time. 0, TMX_SOCKET_E_AGAIN, TMX_SOCKET_E_GONE or an error. */
int transport_part_receive(void *zmq, zmq_msg_t *part);
int transport_part_send(void *zmq, struct tmx_bytes part, bool more);
struct tmx_bytes transport_part_bytes(zmq_msg_t *part);
/* What the last receive lent out. */
void transport_parts_free(struct tmx_socket *s);

/* transport_zap.c */
int transport_zap_open(struct tmx_transport *t);
int transport_zap_answer(struct tmx_transport *t);

/* transport_socket.c: one event of the socket's connections; false: none is left. */
bool transport_monitor_take(struct tmx_socket *s);

extern const struct bounds transport_link_bounds, transport_application_bounds;
