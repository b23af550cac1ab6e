/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit report`: what became of the messages of a log, by member, by type and in time; what is late, refused, or has
 * no terminal outcome.
 *
 * A delivery belongs to the time of its acceptance; what became of it is looked for to the end of the log. Times are those
 * of entries, so durations are the broker's: from the entry of the acceptance to that of the report.
 *
 * Memory: 17 KiB a member, 9 KiB a message type, and for each delivery that is open at the same time a slot of 88 bytes in
 * a table that is from a third to two thirds full: 132 to 264 bytes. It does not grow with what has ended.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "latency.h"
#include "timeline.h"

#define REPORT_OPEN_MAX 1000u    /* listed one by one: the oldest */
#define REPORT_MEMBERS_MAX 1024u /* no directory lists more than TMX_MEMBERS_MAX at a time */
#define REPORT_TYPES_MAX 1024u

/* What of the log. */
struct tmx_report_choice {
    uint64_t from_ms;   /* accepted from here on; of refusals the entry's own time */
    uint64_t to_ms;     /* before this; 0: the end */
    const char *member; /* only what this member sent or receives; NULL: all */
    uint64_t late_ms;   /* an outcome is late when it comes more than this after the acceptance */
};

/* Deliveries that have something in common: sender, recipient, type, or nothing. */
struct tmx_report_row {
    char name[TMX_TYPE_MAX + 1];
    uint64_t messages;
    uint64_t accepted; /* deliveries: one for each recipient of a message */
    uint64_t arrived;  /* of them: with a CoA */
    uint64_t fates[FATES];
    uint64_t queued;   /* of the open ones: without a CoA */
    uint64_t late;     /* of those that ended */
    uint64_t overdue;  /* of the open ones: for longer than the same at the end of the log */
    uint64_t oldest_ms, oldest_index; /* acceptance of the open one that is oldest; when there are open ones */
    uint64_t rejected; /* messages the broker refused, of the sender */
    struct tmx_latency arrival; /* from acceptance to CoA */
    struct tmx_latency outcome; /* from acceptance to the terminal outcome */
    uint64_t counted;  /* 1 + index of the last message that was */
};

struct tmx_report_member {
    struct tmx_report_row sent, received;
};

enum tmx_report_event { REPORT_REJECTED, REPORT_STATEMENT, REPORT_REFUSED, REPORT_EXCEPTION };
/* "rejected": a message, by the broker; "statement-rejected": a report or a prekey set, by the broker; "refused" by the
 * recipient; "exception". */
const char *tmx_report_event_name(enum tmx_report_event event);

/* How often something ended for a reason. */
struct tmx_report_reason {
    enum tmx_report_event event;
    char member[TMX_MEMBER_MAX + 1]; /* whose message or statement was refused; whose recipient refused or could not */
    unsigned code;                   /* tmx/code.h */
    uint64_t count;
    uint64_t first_index;            /* entry of the first */
};

struct tmx_report_open {
    uint64_t index; /* of the acceptance */
    uint64_t accepted_ms;
    bool arrived;
    uint64_t arrived_ms; /* when it has */
    uint64_t expires_ms;
    uint64_t seq;
    uint8_t message_id[TMX_ID_SIZE];
    char sender[TMX_MEMBER_MAX + 1];
    char recipient[TMX_MEMBER_MAX + 1];
    char message_type[TMX_TYPE_MAX + 1];
};

struct tmx_report {
    struct tmx_report_choice choice;
    uint64_t first_ms, last_ms; /* of the log's entries */
    struct tmx_report_row all;
    size_t n_members;
    struct tmx_report_member *members[REPORT_MEMBERS_MAX]; /* ascending by code */
    size_t n_types;
    struct tmx_report_row *types[REPORT_TYPES_MAX]; /* ascending */
    size_t n_reasons;
    struct tmx_report_reason *reasons; /* ascending by event, member, code */
    size_t n_open;                     /* listed: at most REPORT_OPEN_MAX of all.fates[FATE_OPEN] */
    struct tmx_report_open *open;      /* the oldest first */
    struct tmx_timeline timeline;
    uint64_t resubmitted; /* of `accepted`: accepted in an earlier shard before */
    uint64_t unmatched;   /* outcomes for which no delivery is open here: of an earlier shard, or second ones */
};

/* Of an export whose head is verified; choice->member stays the caller's. As tmx_audit_lines; -E2BIG: the log names more
 * members or types than there can be. */
int tmx_report(struct tmx_history *h, const struct tmx_report_choice *choice, struct tmx_report **ret_report,
               char ret_why[HISTORY_WHY_MAX]) TMX_MUST_CHECK;
struct tmx_report *tmx_report_free(struct tmx_report *r);
/* How old what was accepted then is at the end of the log. */
uint64_t tmx_report_age(const struct tmx_report *r, uint64_t accepted_ms);

/* Of the history that the report is of. */
void tmx_report_print(const struct tmx_history *h, const struct tmx_report *r, FILE *out);
json_t *tmx_report_json(const struct tmx_history *h, const struct tmx_report *r); /* NULL: no memory */
/* One page that needs nothing else: no network, no script. `out` tells whether it could be written. */
void tmx_report_html(const struct tmx_history *h, const struct tmx_report *r, FILE *out);
