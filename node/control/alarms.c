/* SPDX-License-Identifier: Apache-2.0
 * What a person must look at, as problems in the status: alarms of the last day, messages that are held for as long as they are,
 * and records that the disk damaged for a week. An alarm stays in the log and in the spool; here it makes room for the next one.
 */
#include <tmx/text.h>
#include <tmx/why.h>

#include "../daemon.h"

#define ALARMS_MS (24 * 3600000ull)

static void held_problem(struct daemon *d, json_t *list, uint64_t held)
{
    struct tmx_node_inbox_view inbox;
    char id[TMX_ID_TEXT_SIZE], see[64] = "tmx list --open";
    tmx_node_inbox(d->node, &inbox);
    if (inbox.held) {
        tmx_id_text(inbox.held_id, id);
        snprintf(see, sizeof(see), "tmxctl why %s", id);
    }
    tmx_answer_problem_see(list, "warning", see, "%ju held: no application is offered %s until an operator releases %s", (uintmax_t)held,
                           held == 1 ? "it" : "them", held == 1 ? "it" : "them");
}

static void damage_problem(struct daemon *d, json_t *list)
{
    struct tmx_node_damage_view v;
    char span[TMX_WHY_SPAN_MAX], see[64];
    tmx_node_damage(d->node, &v);
    if (v.kept > 0 && v.age_ms <= TMX_NODE_DAMAGE_TOLD_MS) {
        snprintf(see, sizeof(see), "tmxctl why %s", d->settings.member);
        tmx_answer_problem_see(list, "warning", see, "%ju record%s damaged by the disk, the last %s ago: %s; nothing else is touched",
                               (uintmax_t)v.kept, v.kept == 1 ? " was" : "s were", tmx_why_span(v.age_ms, span), v.what);
    }
}

void control_alarm_problems(struct daemon *d, const struct tmx_node_state_view *v, const char *journal, json_t *list)
{
    struct tmx_node_alarms_view alarms;
    char span[TMX_WHY_SPAN_MAX];
    if (v->held > 0) {
        held_problem(d, list, v->held);
    }
    damage_problem(d, list);
    tmx_node_alarms(d->node, ALARMS_MS, &alarms);
    if (alarms.n == 0) {
        return;
    }
    tmx_answer_problem_see(list, "warning", journal, "%ju%s alarm%s in the last 24 h, the last %s %s ago", (uintmax_t)alarms.n,
                           alarms.n == TMX_NODE_ALARMS_MAX ? " or more" : "", alarms.n == 1 ? "" : "s", alarms.event,
                           tmx_why_span(alarms.age_ms, span));
}
