/* SPDX-License-Identifier: Apache-2.0
 * `why` at a node: the facts about another member, this one, or a message, and the rules over them.
 *
 *   why.c    the request; gathering the facts        link.c   the way to the broker
 *   rules.c  the node, the directory, what is sent   inbox.c  what came
 *   damage.c records that the disk damaged
 */
#pragma once

#include <tmx/text.h>
#include <tmx/why.h>

#include "../daemon.h"

#define WHY_LATE_MS 10000u    /* what takes longer than this is not on its way any more: it is stuck */

struct why_facts {
    struct daemon *d;
    const char *code;                       /* of the member, as asked, or the recipient of the message */
    bool self;                              /* that is this node's own: then it is about what came, and the link */
    const Tmx__Member *member, *own;        /* NULL: not in the directory */
    struct tmx_node_state_view state;
    struct tmx_node_peer_view peer;
    struct tmx_node_inbox_view inbox;
    struct tmx_socket_story story;          /* of the link */
    bool no_gate;                           /* the directory lists none */
    struct tmx_node_deferral deferral;      /* of that message, or for that member; code 0: none */
    uint64_t mono_ms, wall_ms;

    bool message;                           /* asked about one: */
    uint8_t id[TMX_ID_SIZE];
    struct tmx_node_look look;
    uint8_t state_there;                    /* sent: enum tmx_out_delivery_state of the delivery to that member */
};

extern const struct tmx_why_entry why_rules[];
extern const size_t why_rules_n;

/* link.c */
tmx_why_rule why_no_gate, why_port_blocked, why_port_closed, why_wrong_key, why_gate_key, why_handshake, why_link_down;
/* damage.c */
tmx_why_rule why_damaged;
/* inbox.c */
tmx_why_rule why_inbox_full, why_lane_closed, why_held, why_slow_consumer;
