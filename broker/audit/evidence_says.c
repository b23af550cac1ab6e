/* SPDX-License-Identifier: Apache-2.0
 * What a checked bundle proves and what it does not, in sentences for people who read no protocol.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/text.h>

#include "evidence_print.h"

#define NAMES_MAX (TMX_RECIPIENTS_MAX * (TMX_MEMBER_MAX + 8u))
#define SENTENCE_MAX (NAMES_MAX + 1024u)

struct speaker {
    tmx_evidence_sentence_fn *fn;
    void *ctx;
};

static void say(const struct speaker *s, const char *fmt, ...) TMX_PRINTF(2, 3);
static void say(const struct speaker *s, const char *fmt, ...)
{
    char text[SENTENCE_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    s->fn(s->ctx, text);
}

/* --- names ------------------------------------------------------------------------------------------------------ */

typedef bool delivery_fn(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d);

/* "FR, IT and CH" of those for whom it is so; how many they are. */
static size_t names(const struct tmx_evidence *v, delivery_fn *is_so, char ret_text[NAMES_MAX])
{
    const struct tmx_evidence_delivery *list[TMX_RECIPIENTS_MAX];
    size_t at = 0;
    size_t n = 0;

    for (size_t i = 0; i < v->n_deliveries; i++) {
        if (is_so(v, &v->deliveries[i])) {
            list[n++] = &v->deliveries[i];
        }
    }
    ret_text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        const ProtobufCBinaryData code = list[i]->to->member;

        at += (size_t)snprintf(ret_text + at, NAMES_MAX - at, "%s%.*s",
                               i == 0      ? ""
                               : i + 1 < n ? ", "
                                           : " and ",
                               (int)code.len, (const char *)code.data);
    }
    return n;
}

static bool anybody(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return true;
}

static bool is_state(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d, const char *state)
{
    return strcmp(tmx_evidence_state(v, d), state) == 0;
}

/* By the recipient's own report. */
static bool by_itself(const struct tmx_evidence_leaf *l)
{
    return l != NULL && l->report != NULL;
}

/* And with a key that nobody calls compromised. */
static bool soundly(const struct tmx_evidence_leaf *l)
{
    return by_itself(l) && !l->doubtful;
}

static bool arrived(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return d->end == NULL && soundly(d->arrival);
}

static bool carried_as_arrived(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return d->end == NULL && d->arrival != NULL && !by_itself(d->arrival);
}

static bool delivered(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return soundly(d->end) && is_state(v, d, "delivered");
}

static bool refused(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return soundly(d->end) && is_state(v, d, "refused");
}

static bool expired_at_recipient(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return soundly(d->end) && is_state(v, d, "expired");
}

static bool failed_at_recipient(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return soundly(d->end) && is_state(v, d, "exception");
}

static bool expired_before_arrival(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return !by_itself(d->end) && is_state(v, d, "expired");
}

static bool ended_by_broker(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return !by_itself(d->end) && is_state(v, d, "exception");
}

static bool open_end(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return v->admitted && d->end == NULL;
}

static bool disputed(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return d->disputed;
}

static bool unknown_slot(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return d->slot == EVIDENCE_SLOT_UNKNOWN;
}

/* Before its own expiry, by the clock of the recipient that says so. */
static bool expired_early(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return by_itself(d->end) && is_state(v, d, "expired") && d->end->report->time_ms < v->header->expires_ms;
}

static bool reason_not_here(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return by_itself(d->end) && d->end->report->attachment_digest.len > 0;
}

/* --- what is proved --------------------------------------------------------------------------------------------- */

static void say_admission(const struct speaker *s, const struct tmx_evidence *v)
{
    const struct tmx_evidence_leaf *l = v->subject;
    const ProtobufCBinaryData from = v->header->sender;
    char to[NAMES_MAX];
    char time[TMX_TIME_TEXT_SIZE];

    tmx_time_text(l->e->time_ms, time);
    names(v, anybody, to);
    if (!l->doubtful) {
        say(s,
            "The key that the federation authority lists as that of %.*s signed a message for %s with the digests above; "
            "no byte of header or container can have changed since.",
            (int)from.len, (const char *)from.data, to);
    }
    if (v->admitted) {
        say(s, "The exchange accepted the message for delivery at %s, and its log says so.", time);
    } else {
        say(s, "The exchange refused the message at %s (%s: %s) instead of delivering it, and its log says so.", time,
            tmx_code_name(l->e->code), tmx_code_meaning(l->e->code));
    }
}

static void say_deliveries(const struct speaker *s, const struct tmx_evidence *v)
{
    static const struct {
        delivery_fn *is_so;
        const char *sentence; /* of the names */
    } table[] = {
        { arrived, "%s confirmed under its own signature that the message arrived, could be opened and is kept." },
        { delivered, "%s confirmed under its own signature that its national application took the message." },
        { refused,
          "%s declared under its own signature that its national application refused the message, for the reason "
          "above." },
        { expired_at_recipient,
          "%s declared under its own signature that the message arrived and was not taken in time." },
        { failed_at_recipient,
          "%s declared under its own signature that the message could not be taken, for the reason "
          "above." },
        { expired_before_arrival, "The exchange recorded, after the message's expiry, that it had not arrived at %s." },
        { ended_by_broker, "The exchange recorded that the message cannot be delivered to %s, for the reason above." },
        { carried_as_arrived,
          "The exchange recorded, when a new log began, that the message had arrived at %s before." },
    };
    char list[NAMES_MAX];

    for (size_t i = 0; i < TMX_N(table); i++) {
        if (names(v, table[i].is_so, list) > 0) {
            char sentence[SENTENCE_MAX];
            const char *gap = strstr(table[i].sentence, "%s");

            snprintf(sentence, sizeof sentence, "%.*s%s%s", (int)(gap - table[i].sentence), table[i].sentence, list,
                     gap + 2);
            say(s, "%s", sentence);
        }
    }
}

/* The one that was witnessed least, and whether all were. */
static const struct tmx_evidence_head *weakest(const struct tmx_evidence *v)
{
    const struct tmx_evidence_head *w = &v->heads[0];

    for (size_t i = 1; i < v->n_heads; i++) {
        const struct tmx_evidence_head *h = &v->heads[i];

        if (w->quorum.reached != h->quorum.reached ? w->quorum.reached : h->quorum.witnesses < w->quorum.witnesses) {
            w = h;
        }
    }
    return w;
}

void tmx_evidence_proves(const struct tmx_evidence *v, tmx_evidence_sentence_fn *fn, void *ctx)
{
    const struct speaker s = { fn, ctx };

    say_admission(&s, v);
    say_deliveries(&s, v);
    if (v->content_state == EVIDENCE_OPENED) {
        say(&s, "The container holds exactly the payload whose digests are above; it opens to nothing else.");
    }
    if (weakest(v)->quorum.reached) {
        say(&s,
            "As many independent witnesses as the federation asks for have signed the heads of the log that this bundle "
            "rests on.");
    }
}

/* --- what is not ------------------------------------------------------------------------------------------------ */

static void say_open_deliveries(const struct speaker *s, const struct tmx_evidence *v)
{
    char list[NAMES_MAX];

    if (names(v, open_end, list) > 0) {
        say(s,
            "What became of the message at %s in the end: this bundle holds no outcome. That there is none is not proved "
            "either.",
            list);
    }
    if (names(v, disputed, list) > 0) {
        say(s, "Which outcome holds at %s: two logs of the exchange, one after the other, have different ones.", list);
    }
    if (names(v, expired_early, list) > 0) {
        say(s, "That the message had expired when %s said so: by its own clock it had not.", list);
    }
    if (names(v, reason_not_here, list) > 0) {
        say(s, "In which words %s gave its reason: they are sealed for the sender, who can disclose them.", list);
    }
}

static void say_content(const struct speaker *s, const struct tmx_evidence *v)
{
    char list[NAMES_MAX];

    if (v->content_state == EVIDENCE_NO_CONTAINER) {
        say(s,
            "What the message says: its key is disclosed, but the container is not here. Hand it over with --container.");
    } else if (v->content_state == EVIDENCE_NOT_DISCLOSED && v->container.size == 0) {
        say(s, "What the message says: neither its container nor its key is here, only the container's digest.");
    } else if (v->content_state == EVIDENCE_NOT_DISCLOSED) {
        say(s, "What the message says: its key is not disclosed.");
    }
    if (v->container.size > 0 && names(v, unknown_slot, list) > 0) {
        say(s, "That %s could open the container: it is not shown that it was sealed with a key of theirs.", list);
    }
}

static void say_heads(const struct speaker *s, const struct tmx_evidence *v)
{
    const struct tmx_evidence_head *w = weakest(v);

    if (w->n_witnesses == 0) {
        say(s,
            "That the exchange shows everybody the same log: the directory asks for no witnesses, so a second history "
            "signed by the same log is not excluded.");
    } else if (!w->quorum.reached) {
        say(s,
            "That the exchange shows everybody the same log: a head is cosigned by %u of %zu witnesses, fewer than the "
            "policy asks for, so a second history signed by the same log is not excluded.",
            w->quorum.witnesses, w->n_witnesses);
    }
    if (tmx_evidence_heads_of_a_shard(v) > 1) {
        say(s,
            "That the heads of the log in this bundle are of one history: tmx-audit verify and compare check that on an "
            "export.");
    }
}

static void say_doubts(const struct speaker *s, const struct tmx_evidence *v)
{
    for (size_t i = 0; i < v->n_leaves; i++) {
        const struct tmx_evidence_leaf *l = &v->leaves[i];

        if (l->doubtful) {
            say(s,
                "DOUBTFUL: that %.*s itself signed entry %llu: the authority has reported key %08x as compromised by then.",
                (int)l->e->member.len, (const char *)l->e->member.data, (unsigned long long)l->pb->index,
                l->prepared.key_id);
        }
    }
}

void tmx_evidence_leaves_open(const struct tmx_evidence *v, tmx_evidence_sentence_fn *fn, void *ctx)
{
    const struct speaker s = { fn, ctx };
    const size_t n = tmx_audit_directories_count(v->directories);
    const struct tmx_directory *last = tmx_audit_directories_at(v->directories, n - 1);

    say_doubts(&s, v);
    say_open_deliveries(&s, v);
    say_content(&s, v);
    say_heads(&s, v);
    say(&s,
        "The exact time of anything: times of entries are those of the exchange's clock, bounded only by what the members "
        "signed by their own clocks%s.",
        weakest(v)->quorum.reached ? " and by the times of the witnesses" : "");
    say(&s,
        "Which person in an administration acted, and whether a key was reported as compromised later than directory "
        "%llu: ask the administration and the federation authority.",
        (unsigned long long)tmx_directory_serial(last));
}
