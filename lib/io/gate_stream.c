/* SPDX-License-Identifier: Apache-2.0
 * Frames between core and gate over a stream socket. Contract: tmx/gate_stream.h.
 */
#include <tmx/gate_stream.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One frame of the largest size with its length; a frame that does not fit is no frame. */
#define BUFFER_SIZE ((size_t)TMX_GATE_FRAME_MAX + 4u)

int tmx_gate_stream_init(struct tmx_gate_stream *s, int fd)
{
    uint8_t *in = malloc(BUFFER_SIZE);
    uint8_t *out = malloc(BUFFER_SIZE);
    if (in == NULL || out == NULL) {
        free(in);
        free(out);
        return -ENOMEM;
    }
    *s = (struct tmx_gate_stream){ .fd = fd, .in.data = in, .out.data = out };
    return 0;
}

void tmx_gate_stream_deinit(struct tmx_gate_stream *s)
{
    if (s->in.data != NULL) {
        close(s->fd);
        free(s->in.data);
        free(s->out.data);
    }
    *s = (struct tmx_gate_stream){ .fd = -1 };
}

/* What a failed send or recv means. */
static int condition_of(int error)
{
    if (error == EAGAIN || error == EINTR) {
        return TMX_GATE_STREAM_E_AGAIN;
    }
    return error == EPIPE || error == ECONNRESET ? TMX_GATE_STREAM_E_ENDED : -error;
}

int tmx_gate_stream_fill(struct tmx_gate_stream *s)
{
    if (s->in.at > 0) {
        memmove(s->in.data, s->in.data + s->in.at, s->in.end - s->in.at);
        s->in.end -= s->in.at;
        s->in.at = 0;
    }
    if (s->in.end == BUFFER_SIZE) {
        return TMX_GATE_STREAM_E_AGAIN;
    }
    ssize_t n = recv(s->fd, s->in.data + s->in.end, BUFFER_SIZE - s->in.end, MSG_DONTWAIT);
    if (n < 0) {
        return condition_of(errno);
    }
    s->in.end += (size_t)n;
    return n == 0 ? TMX_GATE_STREAM_E_ENDED : 0;
}

int tmx_gate_stream_next(struct tmx_gate_stream *s, enum tmx_gate_kind *ret_kind, struct tmx_bytes *ret_body)
{
    size_t used;
    int r = tmx_gate_split(TMX_BYTES(s->in.data + s->in.at, s->in.end - s->in.at), ret_kind, ret_body, &used);
    if (r == 0) {
        s->in.at += used;
        return 0;
    }
    return r == 1 ? TMX_GATE_STREAM_E_AGAIN : TMX_GATE_STREAM_E_ENDED;
}

bool tmx_gate_stream_fits(const struct tmx_gate_stream *s, size_t size)
{
    return size <= BUFFER_SIZE - (s->out.end - s->out.at);
}

struct tmx_writer tmx_gate_stream_writer(struct tmx_gate_stream *s)
{
    if (s->out.at > 0) {
        memmove(s->out.data, s->out.data + s->out.at, s->out.end - s->out.at);
        s->out.end -= s->out.at;
        s->out.at = 0;
    }
    return tmx_writer_init(s->out.data + s->out.end, BUFFER_SIZE - s->out.end);
}

bool tmx_gate_stream_commit(struct tmx_gate_stream *s, const struct tmx_writer *w)
{
    if (!w->failed) {
        s->out.end += w->used;
    }
    return !w->failed;
}

bool tmx_gate_stream_pending(const struct tmx_gate_stream *s)
{
    return s->out.end > s->out.at;
}

int tmx_gate_stream_flush(struct tmx_gate_stream *s)
{
    while (tmx_gate_stream_pending(s)) {
        ssize_t n = send(s->fd, s->out.data + s->out.at, s->out.end - s->out.at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            return condition_of(errno);
        }
        s->out.at += (size_t)n;
    }
    return 0;
}
