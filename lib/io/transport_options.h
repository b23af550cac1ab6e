/* SPDX-License-Identifier: Apache-2.0
 * Every number the transport sets in libzmq, in one place; for transport_zmq.h, which includes <zmq.h> before it.
 */
#pragma once

#include <tmx/err.h>

struct option {
    int name;
    int value;
};

/* No heartbeats of ZMTP: one that falls due for a connection which has ended while nobody took what came over it aborts the
 * process (libzmq issue 4364, open in 2026). Who is gone is noticed by LINK-4, and by TCP as soon as a ping is not acknowledged. */
static const struct option common_options[] = {
    { ZMQ_LINGER, 0 },
    { ZMQ_RCVHWM, 8 },       /* messages of up to 1 MiB: TCP pushes back early */
    { ZMQ_SNDHWM, 64 },
    { ZMQ_HANDSHAKE_IVL, 5000 },
    { ZMQ_HEARTBEAT_IVL, 0 },
    { ZMQ_TCP_KEEPALIVE, 1 },
    { ZMQ_TCP_KEEPALIVE_IDLE, 60 },
    { ZMQ_TCP_KEEPALIVE_INTVL, 10 },
    { ZMQ_TCP_KEEPALIVE_CNT, 5 },
    { ZMQ_TCP_MAXRT, 15000 },
};

static const struct option server_options[] = {
    { ZMQ_BACKLOG, 128 },
    { ZMQ_ROUTER_MANDATORY, 1 },
    { ZMQ_ROUTER_HANDOVER, 0 },
};

static const struct option client_options[] = {
    { ZMQ_IMMEDIATE, 1 },
    { ZMQ_RECONNECT_IVL, 200 },   /* doubling: what is back at once is found at once */
    { ZMQ_RECONNECT_IVL_MAX, 60000 },
    { ZMQ_CONNECT_TIMEOUT, 5000 },
};
