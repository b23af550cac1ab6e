/* SPDX-License-Identifier: Apache-2.0
 * report-log FILE [open]: writes an export of a log in which three days of traffic between six members end in every way
 * there is, or not at all; with "open" nothing ends. FILE then holds the name of its folder, in which the authority's keys
 * lie too. The same every time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/code.h>

#include "../unit/export_fixture.h"

#define MESSAGES 1800u
#define MINUTE_MS 60000ull
#define HOUR_MS (60 * MINUTE_MS)

enum step { ACCEPTED, REJECTED, ARRIVED, DELIVERED, REFUSED, EXPIRED_HERE, EXCEPTION, EXPIRED_QUEUED };

struct event {
    uint64_t time_ms;
    size_t order; /* of those at one time */
    enum step step;
    size_t message;
    size_t recipient;
};

static const char *const codes[] = { "CH", "DE", "FR", "IT", "PL", "SE" };
static const char *const types[] = { "CD001C", "CD003C", "CD006C", "CD018C", "CD974C" };
static struct event events[3 * 2 * MESSAGES];
static size_t n_events;
static struct mail mails[MESSAGES];
static bool all_open;
static uint64_t seed = 1;

/* xorshift64*: numbers that look like chance. */
static uint64_t chance(uint64_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (seed * 2685821657736338717ull >> 33) % below;
}

static void plan(uint64_t time_ms, enum step step, size_t message, size_t recipient)
{
    assert_true(n_events < TMX_N(events));
    events[n_events] = (struct event){ time_ms, n_events, step, message, recipient };
    n_events++;
}

/* Most are quick; some take long. */
static uint64_t delay(uint64_t typical_ms)
{
    uint64_t ms = typical_ms / 4 + chance(typical_ms);

    while (chance(5) == 0) {
        ms *= 4;
    }
    return ms;
}

static void plan_outcome(size_t i, size_t recipient, uint64_t accepted_ms)
{
    const uint64_t dice = chance(100);
    const uint64_t arrived_ms = accepted_ms + delay(400);
    const uint64_t ended_ms = arrived_ms + delay(40000);

    if (all_open || (i % 3 == 0 && i > MESSAGES / 2)) {
        return; /* its recipient is away: queued to the end */
    }
    if (dice == 0) {
        plan(accepted_ms + 24 * HOUR_MS, EXPIRED_QUEUED, i, recipient);
        return;
    }
    if (dice == 1) {
        plan(arrived_ms, EXCEPTION, i, recipient);
        return;
    }
    plan(arrived_ms, ARRIVED, i, recipient);
    if (dice == 2) {
        plan(accepted_ms + 25 * HOUR_MS, EXPIRED_HERE, i, recipient);
    } else if (dice > 3) {
        plan(ended_ms, dice < 9 ? REFUSED : DELIVERED, i, recipient);
    }
}

/* More by day than by night. */
static void plan_all(void)
{
    uint64_t now_ms = START_MS + HOUR_MS;

    for (size_t i = 0; i < MESSAGES; i++) {
        const bool night = (now_ms / HOUR_MS) % 24 < 6;

        now_ms += chance(night ? 10 * MINUTE_MS : 3 * MINUTE_MS);
        if (i % 60 == 55) {
            plan(now_ms, REJECTED, i, 0);
            continue;
        }
        plan(now_ms, ACCEPTED, i, 0);
        for (size_t recipient = 0; recipient < (i % 5 == 0 ? 2 : 1); recipient++) {
            plan_outcome(i, recipient, now_ms);
        }
    }
}

static int compare_events(const void *a, const void *b)
{
    const struct event *left = a;
    const struct event *right = b;

    return left->time_ms != right->time_ms ? (left->time_ms < right->time_ms ? -1 : 1)
                                           : (left->order > right->order) - (left->order < right->order);
}

static void compose(size_t i)
{
    const size_t from = chance(10) < 5 ? 1 : (size_t)chance(TMX_N(codes));
    const size_t to = (from + 1 + (size_t)chance(TMX_N(codes) - 1)) % TMX_N(codes);
    const size_t to2 = (to + 1) % TMX_N(codes) == from ? (to + 2) % TMX_N(codes) : (to + 1) % TMX_N(codes);

    book_compose(&mails[i], codes[from], codes[to], i % 5 == 0 ? codes[to2] : NULL);
    mails[i].header.message_type = book_str(types[chance(100) < 70 ? 0 : chance(TMX_N(types))]);
}

static void happen(const struct event *e)
{
    struct mail *m = &mails[e->message];
    Tmx__LogEntry entry;

    book->now_ms = e->time_ms > book->now_ms ? e->time_ms : book->now_ms;
    switch (e->step) {
    case ACCEPTED:
        compose(e->message);
        book_accept(m);
        break;
    case REJECTED:
        compose(e->message);
        book_put_header(m, TMX__ENTRY_KIND__ENTRY_REFUSAL,
                        e->message % 120 == 55 ? TMX_CODE_TYPE_NOT_ALLOWED : TMX_CODE_EXPIRED_ON_ARRIVAL, 1);
        break;
    case ARRIVED:
        book_report(m, e->recipient, TMX__OUTCOME__OUTCOME_COA, 0);
        break;
    case DELIVERED:
        book_report(m, e->recipient, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
        break;
    case REFUSED:
        book_report(m, e->recipient, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED);
        break;
    case EXPIRED_HERE:
        book_report(m, e->recipient, TMX__OUTCOME__OUTCOME_EXPIRED, TMX_CODE_EXPIRED);
        break;
    case EXCEPTION:
        book_report(m, e->recipient, TMX__OUTCOME__OUTCOME_COE,
                    e->message % 2 == 0 ? TMX_CODE_CANNOT_OPEN : TMX_CODE_CONTENT_MISMATCH);
        break;
    case EXPIRED_QUEUED:
        entry = book_ended(m, e->recipient, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);
        entry.number = m->recipient[e->recipient].seq;
        book_put(&entry);
        break;
    }
}

int main(int argc, char **argv)
{
    Tmx__LogEntry start = TMX__LOG_ENTRY__INIT;
    FILE *out;

    all_open = argc == 3 && strcmp(argv[2], "open") == 0;
    if ((argc != 2 && !all_open) || book_begin(codes, TMX_N(codes)) != 0) {
        fprintf(stderr, "usage: report-log FILE [open]\n");
        return 64;
    }
    start.kind = TMX__ENTRY_KIND__ENTRY_SHARD_START;
    start.number = 1;
    book_put(&start);
    book_put_directory();
    plan_all();
    qsort(events, n_events, sizeof events[0], compare_events);
    for (size_t i = 0; i < n_events && book->n < ENTRIES_MAX; i++) {
        happen(&events[i]);
    }
    export_book(book->n, SIZE_MAX);
    close(folder_fd);
    book_teardown(NULL);
    out = fopen(argv[1], "w");
    return out != NULL && fprintf(out, "%s\n", folder) > 0 && fclose(out) == 0 ? 0 : 1;
}
