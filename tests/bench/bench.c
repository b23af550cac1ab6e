/* SPDX-License-Identifier: Apache-2.0
 * Loads one pair of members through libtmx and watches the sender's events: from submission to the verified CoA.
 *
 *   bench SENDER_ENDPOINT RECIPIENT[,RECIPIENT…] SUBMITTERS[xAT_ONCE] COUNT PAYLOAD_BYTES GAP_MS [STEP]
 *
 * Every message is for all recipients; the first of its deliveries to come to that step counts. Each submitter is a process that submits AT_ONCE messages (default 1), waits for their durable answers, and goes on
 * (after GAP_MS). Prints
 * messages per second over the whole run and p50, p99 and p99.9 of the latency in ms: from the time the node wrote down
 * as submission to the time the watching application was told of the CoA, or of STEP ("accepted": for a recipient that
 * is away).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <tmx/client.h>
#include <unistd.h>

#define COUNT_MAX 1000000ul
#define RECIPIENTS_MAX 64u

struct seen {
    unsigned char id[TMX_CLIENT_ID_BYTES];
    uint64_t submitted_ms;
};

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct load {
    const char *endpoint;
    const char *recipients[RECIPIENTS_MAX];
    size_t n_recipients;
    unsigned submitters;
    unsigned at_once;
    unsigned long each;                   /* messages of one submitter */
    size_t payload_bytes;
    unsigned gap_ms;
};

/* Submits them until each is stored: what the node had no room for is asked again, a bounded number of times. */
static int submit(struct tmx_client *client, const struct tmx_client_submission *all, size_t n)
{
    static struct tmx_client_result results[TMX_CLIENT_SUBMISSIONS_MAX];
    size_t done = 0;
    for (int tries = 0; done < n && tries < 20; tries++) {
        if (tries > 0) {
            usleep(50000);
        }
        size_t stored = 0, asked = n - done;
        int r = tmx_client_submit_many(client, all + done, asked, results);
        while (r == 0 && stored < asked && results[stored].r == 0) {
            stored++;
        }
        done += stored;
    }
    if (done < n) {
        fprintf(stderr, "bench: %s\n", tmx_client_error_text(client));
    }
    return done == n ? 0 : 1;
}

static int submitter(const struct load *load, unsigned number)
{
    static char references[TMX_CLIENT_SUBMISSIONS_MAX][48];
    static struct tmx_client_submission all[TMX_CLIENT_SUBMISSIONS_MAX];
    size_t bytes = load->payload_bytes;
    unsigned char *payloads = malloc(bytes * load->at_once);
    FILE *random = fopen("/dev/urandom", "rb");
    struct tmx_client *client;
    if (payloads == NULL || random == NULL || tmx_client_open(load->endpoint, NULL, &client) != 0) {
        return 1;
    }
    for (unsigned long i = 0; i < load->each;) {
        size_t n = load->each - i < load->at_once ? load->each - i : load->at_once;
        if (fread(payloads, bytes, n, random) != n) {
            return 1;
        }
        for (size_t k = 0; k < n; k++, i++) {
            snprintf(references[k], sizeof(references[k]), "bench-%d-%u-%lu", (int)getpid(), number, i);
            all[k] = (struct tmx_client_submission){ .reference = references[k], .recipients = load->recipients,
                                                     .n_recipients = load->n_recipients, .message_type = "CD974C",
                                                     .payload = payloads + k * bytes, .payload_bytes = bytes };
        }
        if (submit(client, all, n) != 0) {
            return 1;
        }
        usleep(load->gap_ms * 1000);
    }
    fclose(random);
    tmx_client_close(client);
    return 0;
}

static struct seen *find(struct seen *table, const unsigned char *id)
{
    size_t at;
    memcpy(&at, id + 8, sizeof(at));
    static const unsigned char none[TMX_CLIENT_ID_BYTES];
    for (at %= 2 * COUNT_MAX;; at = (at + 1) % (2 * COUNT_MAX)) {
        if (memcmp(table[at].id, id, sizeof(table[at].id)) == 0 || memcmp(table[at].id, none, sizeof(none)) == 0) {
            return &table[at];
        }
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The cursor behind everything that happened before. */
static uint64_t cursor_now(struct tmx_client *client)
{
    uint64_t cursor = 0;
    const struct tmx_client_events *list;
    while (tmx_client_events(client, cursor, TMX_CLIENT_EVENTS_MAX, 0, &list) == 0) {
        size_t n = list->n_events;
        cursor = list->next;
        tmx_client_free(list);
        if (n == 0) {
            break;
        }
    }
    return cursor;
}

int main(int argc, char **argv)
{
    struct tmx_client *client;
    const char *until = argc == 8 ? argv[7] : "CoA";
    if (argc < 7 || argc > 8 || tmx_client_open(argv[1], NULL, &client) != 0) {
        fprintf(stderr, "usage: bench SENDER_ENDPOINT RECIPIENT[,RECIPIENT…] SUBMITTERS[xAT_ONCE] COUNT PAYLOAD_BYTES GAP_MS [STEP]\n");
        return 64;
    }
    struct load load = { .endpoint = argv[1], .at_once = 1, .payload_bytes = strtoul(argv[5], NULL, 10),
                         .gap_ms = (unsigned)atoi(argv[6]) };
    if (sscanf(argv[3], "%ux%u", &load.submitters, &load.at_once) < 1 || load.submitters == 0 || load.at_once == 0
        || load.at_once > TMX_CLIENT_SUBMISSIONS_MAX) {
        fprintf(stderr, "bench: %s: expected SUBMITTERS[xAT_ONCE], at most %u at once\n", argv[3],
                TMX_CLIENT_SUBMISSIONS_MAX);
        return 64;
    }
    for (char *to = strtok(argv[2], ","); to != NULL && load.n_recipients < RECIPIENTS_MAX; to = strtok(NULL, ",")) {
        load.recipients[load.n_recipients++] = to;
    }
    load.each = strtoul(argv[4], NULL, 10) / load.submitters;
    unsigned long count = load.each * load.submitters, done = 0;
    struct seen *table = calloc(2 * COUNT_MAX, sizeof(*table));
    uint32_t *latency_ms = calloc(count + 1, sizeof(*latency_ms));
    if (table == NULL || latency_ms == NULL || count == 0 || count > COUNT_MAX) {
        return 1;
    }
    uint64_t cursor = cursor_now(client), started = now_ms();
    for (unsigned i = 0; i < load.submitters; i++) {
        if (fork() == 0) {
            _exit(submitter(&load, i));
        }
    }
    while (done < count) {
        const struct tmx_client_events *list;
        if (tmx_client_events(client, cursor, TMX_CLIENT_EVENTS_MAX, 20000, &list) != 0 || list->n_events == 0) {
            fprintf(stderr, "bench: %lu of %lu messages confirmed, then nothing more\n", done, count);
            return 1;
        }
        uint64_t now = now_ms();
        for (size_t i = 0; i < list->n_events; i++) {
            const struct tmx_client_event *e = &list->events[i];
            struct seen *s = find(table, e->message_id);
            if (strcmp(e->step.what, "submitted") == 0) {
                memcpy(s->id, e->message_id, sizeof(s->id));
                s->submitted_ms = e->step.time_ms;
            } else if (strcmp(e->step.what, until) == 0 && s->submitted_ms != 0 && done < count) {
                latency_ms[done++] = (uint32_t)(now - s->submitted_ms);
                s->submitted_ms = 0;   /* its other deliveries */
            }
            cursor = e->cursor;
        }
        tmx_client_free(list);
    }
    double seconds = (double)(now_ms() - started) / 1000;
    while (wait(NULL) > 0) {
    }
    qsort(latency_ms, count, sizeof(latency_ms[0]), by_size);
    printf("%lu messages in %.2f s: %.0f msg/s; latency ms p50 %u p99 %u p99.9 %u max %u\n", count, seconds,
           (double)count / seconds, latency_ms[count / 2], latency_ms[count * 99 / 100], latency_ms[count * 999 / 1000],
           latency_ms[count - 1]);
    tmx_client_close(client);
    return 0;
}
