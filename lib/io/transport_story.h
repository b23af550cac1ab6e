/* SPDX-License-Identifier: Apache-2.0
 * What ZeroMQ's monitor of a socket tells, as a story (tmx/transport.h); included where <zmq.h> is before it.
 */
#pragma once

#include <tmx/transport.h>

#define STORY_EVENTS                                                                                                   \
    (ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_ACCEPTED |                \
     ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |      \
     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

static void story_fail(struct tmx_socket_story *s, enum tmx_socket_failure failure, uint64_t now_ms)
{
    s->failure = failure;
    s->failures++;
    s->failed_ms = now_ms;
    s->took_ms = s->begun_ms == 0 ? 0 : now_ms - s->begun_ms;
    s->begun_ms = 0;
}

/* A retry is told for an attempt that failed, and also when a connection ended and the first new attempt is put off: only
 * what was begun has failed. */
static void story_take(struct tmx_socket_story *s, uint16_t event, uint32_t value, uint64_t now_ms)
{
    switch (event) {
    case ZMQ_EVENT_CONNECT_DELAYED:
        s->attempts++;
        s->begun_ms = now_ms;
        break;
    case ZMQ_EVENT_CONNECT_RETRIED:
        if (s->begun_ms != 0) {
            story_fail(s, TMX_SOCKET_FAILED_CONNECT, now_ms);
        }
        break;
    case ZMQ_EVENT_CONNECTED:
    case ZMQ_EVENT_ACCEPTED:
        s->connected++;
        s->connected_ms = now_ms;
        s->begun_ms = 0;
        break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        s->secured++;
        s->failure = TMX_SOCKET_FINE;
        s->failures = 0;
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        story_fail(s, TMX_SOCKET_FAILED_CLOSED, now_ms);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        story_fail(s, value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? TMX_SOCKET_FAILED_MECHANISM : TMX_SOCKET_FAILED_PROTOCOL,
                   now_ms);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        story_fail(s, TMX_SOCKET_FAILED_KEY, now_ms);
        break;
    default:
        break;
    }
}
