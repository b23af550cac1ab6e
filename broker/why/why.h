/* SPDX-License-Identifier: Apache-2.0
 * `why` at the broker: the facts about a member, or about one delivery of a message, and the rules over them.
 *
 *   why.c    the request; gathering the facts        link.c       the way to a member's node
 *   watch.c  since when: looked at once a second     rules.c      the broker, the directory, the member, its queue
 *                                                    operators.c  what operators have stopped
 */
#pragma once

#include <tmx/text.h>
#include <tmx/why.h>

#include "../daemon.h"

#define WHY_LATE_MS 10000u    /* what takes longer than this is not on its way any more: it is stuck */

struct why_facts {
    const struct daemon *d;
    const char *code;                       /* of the member, as asked */
    const char *nearest;                    /* a member's code like it, when there is none of this name; or NULL */
    const Tmx__Member *member;              /* NULL: not in the directory */
    struct tmx_broker_state_view state;
    struct tmx_broker_link_view link;
    const struct gate *gate;                /* NULL: none runs */
    const struct tmx_gate_status *status;   /* of that gate */
    uint64_t mono_ms, wall_ms;
    uint64_t memory_bytes;                  /* writable, of the gate's process now; 0 = not known */
    bool prekeys;                           /* it ever published some */
    uint64_t prekeys_until_ms;              /* of the last key */

    bool delivery;                          /* asked about a message: its delivery to this member */
    struct tmx_row_delivery row;
    uint64_t coa_ms;                        /* leaf time of its CoA; 0 = none */
    char outcome[96];                       /* "delivered, log index 12", "" = none yet */
    bool held;                              /* by an operator */
    char id[TMX_ID_TEXT_SIZE];
    bool lane_closed;
    char lane_first[TMX_ID_TEXT_SIZE];      /* the message its lane waits for */
};

extern const struct tmx_why_entry why_rules[];
extern const size_t why_rules_n;

/* why_operators.c */
tmx_why_rule why_draining, why_paused, why_held;
/* why_link.c */
tmx_why_rule why_no_gate, why_gate_memory, why_gate_down, why_wrong_key, why_handshake, why_port_blocked, why_link_down;
