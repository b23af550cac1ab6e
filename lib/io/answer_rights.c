/* SPDX-License-Identifier: Apache-2.0
 * Who may ask what over the control socket (OPS-11). Its group may look. What changes something is signed by an operator; or it is
 * asked by root, or by the daemon's own user: they hold the spool and the keys anyway.
 */
#include <string.h>
#include <unistd.h>

#include <tmx/answer.h>

#define NOBODY 65534u   /* whom a user namespace shows for everybody it does not know */

/* What changes nothing, and what is signed: everything else is refused, until it is known to be one of them. */
static const struct {
    const char *words[2];
} open_to_all[] = {
    { { "status" } },       { { "history" } },           { { "peers" } },        { { "queue" } },     { { "message" } },  { { "slots" } },
    { { "evidence" } },     { { "trace" } },             { { "why" } },          { { "select" } },    { { "misbehaviour" } },
    { { "operators" } },    { { "operations" } },        { { "proposals" } },    { { "operate" } },   { { "log-head" } },
    { { "log-entries" } },  { { "log-directory" } },     { { "log-anchor" } },   { { "log-state" } }, { { "log-checkpoint" } },
    { { "directory", "show" } }, { { "anchor", "show" } }, { { "witness", "request" } },
};

static bool looks_only(const struct tmx_control_request *r)
{
    for (size_t i = 0; i < TMX_N(open_to_all); i++) {
        const char *const *w = open_to_all[i].words;
        if (strcmp(r->words[0], w[0]) == 0 && (w[1] == NULL || (r->n_words > 1 && strcmp(r->words[1], w[1]) == 0))) {
            return true;
        }
    }
    return false;
}

bool tmx_answer_may_ask(const struct tmx_control_request *r, uid_t own)
{
    return looks_only(r) || r->uid == 0 || (r->uid == own && own != NOBODY);
}

bool tmx_answer_read_only(struct tmx_control *control, const struct tmx_control_request *r)
{
    if (tmx_answer_may_ask(r, geteuid())) {
        return false;
    }
    tmx_control_refuse(control, r->client, "read-only",
                       "you may look, and no more: sudo tmxctl, for this is asked by root or the daemon's own user%s",
                       strcmp(r->words[0], "ping") == 0 ? ", or by an operator with the right to it: --reason TEXT --yes" : "");
    return true;
}
