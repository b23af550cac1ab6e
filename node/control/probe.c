/* SPDX-License-Identifier: Apache-2.0
 * `ping MEMBER` at a node: a probe is sent with the next turn (NODE-14); whoever asked follows it by its evidence.
 */
#include <stdio.h>
#include <string.h>

#include <tmx/code.h>

#include "../daemon.h"

bool control_probe(struct daemon *d, const struct tmx_control_request *r)
{
    if (r->n_words != 2 || strcmp(r->words[0], "ping") != 0) {
        return false;
    }
    if (d->probe.asked) {
        tmx_control_refuse(d->control, r->client, "busy", "another probe is being sent: try again");
    } else if (strlen(r->words[1]) > TMX_MEMBER_MAX) {
        tmx_control_refuse(d->control, r->client, "malformed", "not a member's code");
    } else {
        d->probe.asked = true;
        d->probe.client = r->client;
        snprintf(d->probe.member, sizeof(d->probe.member), "%s", r->words[1]);
    }
    return true;
}

void control_probe_done(struct daemon *d, const struct tmx_node_output *out)
{
    if (!d->probe.asked) {
        return;
    }
    d->probe.asked = false;
    if (out->probe_code != TMX_CODE_OK) {
        tmx_control_refuse(d->control, d->probe.client, tmx_code_name(out->probe_code), "no probe is sent: %s", tmx_code_meaning(out->probe_code));
        return;
    }
    tmx_control_reply(d->control, d->probe.client,
                      json_pack("{ss so}", "member", d->probe.member, "id", tmx_answer_id(TMX_BYTES_OF(out->probe_id))));
}
