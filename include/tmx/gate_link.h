/* SPDX-License-Identifier: Apache-2.0
 * The core's end of one gate (proto/README.md, section Transport): starts the process, feeds it its configuration,
 * passes messages both ways and starts it again, with back-off, whenever it is gone. Never blocks, believes nothing:
 * a gate that says anything out of order is killed.
 *
 * The caller polls tmx_gate_link_fd for input (and output while tmx_gate_link_wants_write), and calls
 * tmx_gate_link_step when it is ready and at tmx_gate_link_due at the latest. Call all of it from the thread that
 * lives as long as the process: a gate dies with the thread that started it.
 */
#pragma once

#include <sys/types.h>

#include <tmx/gateframe.h>

struct tmx_gate_link;

enum tmx_gate_state {
    TMX_GATE_WAITING,    /* not running: to be started at `due` */
    TMX_GATE_STARTING,
    TMX_GATE_UP,
    TMX_GATE_ENDING,     /* killed, not yet reaped */
};

struct tmx_gate_status {
    enum tmx_gate_state state;
    pid_t pid;                               /* 0 when not running */
    uint64_t starts;
    char failed[256];                        /* why the last one ended, printable; "" at first */
    uint64_t ended_ms;                       /* when it did; 0: none has */
    int ended_signal;                        /* by that one, 0: by none; SIGABRT: the library got no memory (or found itself broken) */
    uint64_t ended_bytes;                    /* the most it had resident */
    uint64_t foreign;                        /* messages discarded: not of a member of this gate */
    uint64_t dropped;                        /* messages to the gate discarded: not up, or too many */
    struct tmx_transport_counters counters;  /* as the running gate last told */
};

enum tmx_gate_link_condition {
    TMX_GATE_LINK_OK,
    TMX_GATE_LINK_E_AGAIN = 1,   /* nothing to receive; or the gate is not up: what was sent is lost */
};

/* Copies the configuration; nothing is started before the first step. `program` must outlive the link.
 * -EINVAL: an endpoint of no or too much text; -ENOMEM. */
int tmx_gate_link_new(const char *program, const struct tmx_gate_config *config, size_t memory_max_bytes,
                      struct tmx_gate_link **ret_link) TMX_MUST_CHECK;
/* Kills the gate and waits for its end. */
struct tmx_gate_link *tmx_gate_link_free(struct tmx_gate_link *l);

/* Replaces the admitted keys, from the next message on. Connections of a removed key stay open, their messages
 * discarded, until tmx_gate_link_restart. */
void tmx_gate_link_admit(struct tmx_gate_link *l, const struct tmx_admit *admits, size_t n);
void tmx_gate_link_restart(struct tmx_gate_link *l, uint64_t now_ms);

/* Reads, writes, reaps, starts; now_ms is monotonic. Nothing a gate or its start does is an error of the caller's. */
void tmx_gate_link_step(struct tmx_gate_link *l, uint64_t now_ms);
int tmx_gate_link_fd(const struct tmx_gate_link *l);   /* -1 when not running */
bool tmx_gate_link_wants_write(const struct tmx_gate_link *l);
uint64_t tmx_gate_link_due(const struct tmx_gate_link *l);   /* UINT64_MAX: only when the fd is ready */

/* The next message; its frames are borrowed until the next step. */
int tmx_gate_link_receive(struct tmx_gate_link *l, struct tmx_message *ret_message) TMX_MUST_CHECK;
/* Queues frames to the peer behind `route`. While the gate is slow they wait here (tmx_gate_link_busy): say nothing more
 * then, beyond what is small. */
int tmx_gate_link_send(struct tmx_gate_link *l, const struct tmx_message *to, const struct tmx_bytes *frames, size_t n)
    TMX_MUST_CHECK;
bool tmx_gate_link_busy(const struct tmx_gate_link *l);

const struct tmx_gate_status *tmx_gate_link_status(const struct tmx_gate_link *l);
