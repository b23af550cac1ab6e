/* SPDX-License-Identifier: Apache-2.0
 * `why MEMBER` and `why MESSAGE` at a node (include/tmx/control.h): what is known about it, before the rules.
 */
#include <stdio.h>
#include <string.h>

#include <tmx/clock.h>
#include <tmx/code.h>

#include "why.h"

static bool gate_listed(const struct daemon *d)
{
    const Tmx__Directory *pb = tmx_directory_pb(tmx_node_directory(d->node));
    for (size_t i = 0; i < pb->n_gates; i++) {
        if (tmx_bytes_eq(tmx_pb(pb->gates[i]->member), tmx_bytes_str(d->settings.member))) {
            return true;
        }
    }
    return false;
}

static bool gather(struct daemon *d, const char *code, struct why_facts *f)
{
    const struct tmx_directory *directory = tmx_node_directory(d->node);
    f->d = d;
    f->code = code;
    f->self = strcmp(code, d->settings.member) == 0;
    f->member = tmx_directory_member(directory, tmx_bytes_str(code));
    f->own = tmx_directory_member(directory, tmx_bytes_str(d->settings.member));
    f->no_gate = !gate_listed(d);
    f->mono_ms = tmx_clock_mono_ms();
    f->wall_ms = tmx_clock_wall_ms();
    if (d->link != NULL) {
        f->story = *tmx_socket_story(d->link);
    }
    f->deferral.code = TMX_CODE_OK;
    (void)!tmx_node_deferral(d->node, f->message ? f->id : NULL, tmx_bytes_str(code), &f->deferral);
    tmx_node_inbox(d->node, &f->inbox);
    return tmx_node_state(d->node, &f->state) == 0 && tmx_node_peer(d->node, tmx_bytes_str(code), &f->peer) == 0;
}

/* When it has ended nothing else matters: the first rule says so. */
static void ask(const struct why_facts *f, const char *member, json_t *causes, json_t *looked)
{
    tmx_why_ask(why_rules, f->message ? 1 : 0, f, member, causes, looked);
    if (json_array_size(causes) == 0) {
        tmx_why_ask(why_rules, why_rules_n, f, member, causes, looked);
    }
}

static json_t *about_message(struct daemon *d, const char *word, const uint8_t id[TMX_ID_SIZE])
{
    struct why_facts f = { .message = true };
    memcpy(f.id, id, sizeof(f.id));
    if (!tmx_node_look(d->node, id, &f.look)) {
        return tmx_answer_refusal("unknown-message", "no message with this id was sent or received here");
    }
    json_t *causes = json_array(), *looked = json_array();
    for (size_t i = 0; f.look.sent && i < f.look.out.n; i++) {
        const struct tmx_row_out_delivery *to = &f.look.out.deliveries[i];
        char code[TMX_MEMBER_MAX + 1];
        snprintf(code, sizeof(code), "%.*s", (int)strnlen((const char *)to->member, TMX_MEMBER_MAX), (const char *)to->member);
        f.state_there = to->state;
        json_t *found = json_array();
        if (gather(d, code, &f)) {
            ask(&f, code, found, looked);
        }
        json_array_extend(causes, found);
        json_decref(found);
    }
    if (!f.look.sent && gather(d, d->settings.member, &f)) {
        ask(&f, NULL, causes, looked);
    }
    return tmx_why_answer(word, "message", causes, looked);
}

json_t *control_why(struct daemon *d, const char *word)
{
    struct why_facts f = { .message = false };
    uint8_t id[TMX_ID_SIZE];
    if (tmx_parse_id(tmx_bytes_str(word), id)) {
        return about_message(d, word, id);
    }
    if (strlen(word) > TMX_MEMBER_MAX) {
        return tmx_answer_refusal("malformed", "neither a member's code nor a message id: 32 hexadecimal digits");
    }
    if (!gather(d, word, &f)) {
        return NULL;
    }
    json_t *causes = json_array(), *looked = json_array();
    ask(&f, NULL, causes, looked);
    return tmx_why_answer(word, "member", causes, looked);
}
