/* SPDX-License-Identifier: Apache-2.0
 * Loads one pair of members through libtmx and watches the sender's events: from submission to the verified CoA.
 *
 *   bench SENDER_ENDPOINT RECIPIENT SUBMITTERS COUNT PAYLOAD_BYTES GAP_MS [STEP]
 *
 * Each submitter is a process that submits, waits for its durable answer, and submits again (after GAP_MS). Prints
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

static int submitter(const char *endpoint, const char *recipient, unsigned number, unsigned long count, size_t bytes,
                     unsigned gap_ms)
{
    struct tmx_client *client;
    unsigned char *payload = malloc(bytes);
    FILE *random = fopen("/dev/urandom", "rb");
    if (payload == NULL || random == NULL || tmx_client_open(endpoint, NULL, &client) != 0) {
        return 1;
    }
    const char *recipients[] = { recipient };
    for (unsigned long i = 0; i < count; i++) {
        char reference[48];
        struct tmx_client_submitted done;
        snprintf(reference, sizeof(reference), "bench-%d-%u-%lu", (int)getpid(), number, i);
        if (fread(payload, 1, bytes, random) != bytes) {
            return 1;
        }
        struct tmx_client_submission m = { .reference = reference, .recipients = recipients, .n_recipients = 1,
                                           .message_type = "CD974C", .payload = payload, .payload_bytes = bytes };
        int r = tmx_client_submit(client, &m, &done);
        for (int tries = 0; r != 0 && tries < 20; tries++) {
            usleep(50000);
            r = tmx_client_submit(client, &m, &done);
        }
        if (r != 0) {
            fprintf(stderr, "bench: %s\n", tmx_client_error_text(client));
            return 1;
        }
        usleep(gap_ms * 1000);
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
        fprintf(stderr, "usage: bench SENDER_ENDPOINT RECIPIENT SUBMITTERS COUNT PAYLOAD_BYTES GAP_MS [STEP]\n");
        return 64;
    }
    unsigned submitters = (unsigned)atoi(argv[3]), gap_ms = (unsigned)atoi(argv[6]);
    unsigned long each = strtoul(argv[4], NULL, 10) / submitters, count = each * submitters, done = 0;
    struct seen *table = calloc(2 * COUNT_MAX, sizeof(*table));
    uint32_t *latency_ms = calloc(count + 1, sizeof(*latency_ms));
    if (table == NULL || latency_ms == NULL || count == 0 || count > COUNT_MAX) {
        return 1;
    }
    uint64_t cursor = cursor_now(client), started = now_ms();
    for (unsigned i = 0; i < submitters; i++) {
        if (fork() == 0) {
            _exit(submitter(argv[1], argv[2], i, each, strtoul(argv[5], NULL, 10), gap_ms));
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
