/* SPDX-License-Identifier: Apache-2.0
 * A socket between core and gate as a stream of whole frames (tmx/gateframe.h), in both directions, with bounded
 * buffers and without ever blocking. Both ends use it.
 */
#pragma once

#include <tmx/gateframe.h>

enum tmx_gate_stream_condition {
    TMX_GATE_STREAM_OK,
    TMX_GATE_STREAM_E_AGAIN = 1,   /* nothing more now */
    TMX_GATE_STREAM_E_ENDED = 2,   /* closed by the other side, or what it says is not a frame */
};

struct tmx_gate_stream {
    int fd;
    struct {
        uint8_t *data;
        size_t at;
        size_t end;
    } in, out;
};

/* Owns `fd` from then on. -ENOMEM (fd is not closed). */
int tmx_gate_stream_init(struct tmx_gate_stream *s, int fd) TMX_MUST_CHECK;
void tmx_gate_stream_deinit(struct tmx_gate_stream *s);

/* Reads once. Views of earlier frames end here. */
int tmx_gate_stream_fill(struct tmx_gate_stream *s) TMX_MUST_CHECK;
/* The next whole frame of what was read; body is borrowed until the next fill. */
int tmx_gate_stream_next(struct tmx_gate_stream *s, enum tmx_gate_kind *ret_kind, struct tmx_bytes *ret_body)
    TMX_MUST_CHECK;

/* Is there room for `size` bytes more? Any frame fits an empty stream. */
bool tmx_gate_stream_fits(const struct tmx_gate_stream *s, size_t size);
/* A writer over the free room; commit takes what it wrote, or nothing and false when it failed. */
struct tmx_writer tmx_gate_stream_writer(struct tmx_gate_stream *s);
bool tmx_gate_stream_commit(struct tmx_gate_stream *s, const struct tmx_writer *w) TMX_MUST_CHECK;
bool tmx_gate_stream_pending(const struct tmx_gate_stream *s);
/* Writes what the socket takes; OK when nothing is left. */
int tmx_gate_stream_flush(struct tmx_gate_stream *s) TMX_MUST_CHECK;
