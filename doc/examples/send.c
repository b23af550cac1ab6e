/* SPDX-License-Identifier: Apache-2.0
 * A national application sends: submits one file and follows it until its recipient took it, or did not.
 *
 *   send ENDPOINT FILE TYPE RECIPIENT MRN REFERENCE
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tmx/client.h>

#define ATTEMPTS 10

static unsigned char payload[TMX_CLIENT_PAYLOAD_BYTES_MAX];

/* The node did not answer, or cannot now: the same again is right, and safe under the same reference. */
static int passes(int r)
{
    return r == -ETIMEDOUT || (r >= 300 && r < 400);
}

static int submit(struct tmx_client *client, const struct tmx_client_submission *message,
                  struct tmx_client_submitted *ret_submitted)
{
    int r = tmx_client_submit(client, message, ret_submitted);

    for (unsigned attempt = 1; passes(r) && attempt < ATTEMPTS; attempt++) {
        fprintf(stderr, "again in a moment: %s\n", tmx_client_error_text(client));
        nanosleep(&(struct timespec){ .tv_sec = attempt }, NULL);
        r = tmx_client_submit(client, message, ret_submitted);
    }
    return r;
}

/* Prints what happened to the message; 1 when that was its end, good or bad. */
static int follow(const struct tmx_client_event *e, const unsigned char *message_id)
{
    if (memcmp(e->message_id, message_id, TMX_CLIENT_ID_BYTES) != 0) {
        return 0;
    }
    printf("%s (%s)%s%s\n", e->step.what, e->step.who, e->step.text[0] != '\0' ? ": " : "", e->step.text);
    return strcmp(e->step.what, "CoD") == 0 || strcmp(e->step.what, "refused") == 0 ||
           strcmp(e->step.what, "expired") == 0 || strcmp(e->step.what, "CoE") == 0 ||
           strcmp(e->step.what, "rejected") == 0;
}

/* A real application has one reader of events for all its messages, and keeps the cursor with its own data. */
static int follow_all(struct tmx_client *client, const unsigned char *message_id)
{
    int done = 0, r = 0;

    for (uint64_t cursor = 0; r == 0 && !done;) {
        const struct tmx_client_events *list;
        r = tmx_client_events(client, cursor, TMX_CLIENT_EVENTS_MAX, TMX_CLIENT_WAIT_MS_MAX, &list);
        for (size_t i = 0; r == 0 && i < list->n_events; i++) {
            done |= follow(&list->events[i], message_id);
        }
        if (r == 0) {
            cursor = list->next;
            tmx_client_free(list);
        }
    }
    return r;
}

int main(int argc, char **argv)
{
    struct tmx_client *client;
    struct tmx_client_submitted submitted;
    FILE *file = argc == 7 ? fopen(argv[2], "rb") : NULL;

    if (file == NULL || tmx_client_open(argv[1], NULL, &client) != 0) {
        fprintf(stderr, "usage: send ENDPOINT FILE TYPE RECIPIENT MRN REFERENCE\n");
        return 64;
    }
    const char *recipients[] = { argv[4] };
    struct tmx_client_submission message = { .reference = argv[6], .recipients = recipients, .n_recipients = 1,
                                             .message_type = argv[3], .mrn = argv[5], .payload = payload };
    message.payload_bytes = fread(payload, 1, sizeof(payload), file);
    fclose(file);

    int r = submit(client, &message, &submitted);
    if (r == 0) {
        r = follow_all(client, submitted.message_id);
    }
    if (r != 0) {
        fprintf(stderr, "%s\n", tmx_client_error_text(client));
    }
    tmx_client_close(client);
    return r == 0 ? 0 : 1;
}
