/* SPDX-License-Identifier: Apache-2.0
 * How a national application uses libtmx: submits one file and follows it until its recipient took it.
 *
 *   example ENDPOINT FILE TYPE RECIPIENT MRN REFERENCE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tmx/client.h>

static unsigned char payload[TMX_CLIENT_PAYLOAD_BYTES_MAX];

/* Prints what happened to the message; 1 when that was its end, good or bad. */
static int follow(const struct tmx_client_event *e, const unsigned char *message_id)
{
    if (memcmp(e->message_id, message_id, TMX_CLIENT_ID_BYTES) != 0) {
        return 0;
    }
    printf("%s (%s)\n", e->step.what, e->step.who);
    return strcmp(e->step.what, "CoD") == 0 || strcmp(e->step.what, "refused") == 0 ||
           strcmp(e->step.what, "expired") == 0 || strcmp(e->step.what, "CoE") == 0 ||
           strcmp(e->step.what, "rejected") == 0;
}

int main(int argc, char **argv)
{
    struct tmx_client *client;
    struct tmx_client_submitted submitted;
    FILE *file = argc == 7 ? fopen(argv[2], "rb") : NULL;
    int done = 0, r;

    if (file == NULL || tmx_client_open(argv[1], NULL, &client) != 0) {
        fprintf(stderr, "usage: example ENDPOINT FILE TYPE RECIPIENT MRN REFERENCE\n");
        return 64;
    }
    const char *recipients[] = { argv[4] };
    struct tmx_client_submission message = { .reference = argv[6], .recipients = recipients, .n_recipients = 1,
                                             .message_type = argv[3], .mrn = argv[5], .payload = payload };
    message.payload_bytes = fread(payload, 1, sizeof(payload), file);
    fclose(file);

    r = tmx_client_submit(client, &message, &submitted);
    for (uint64_t cursor = 0; r == 0 && !done;) {
        const struct tmx_client_events *list;
        r = tmx_client_events(client, cursor, TMX_CLIENT_EVENTS_MAX, TMX_CLIENT_WAIT_MS_MAX, &list);
        for (size_t i = 0; r == 0 && i < list->n_events; i++) {
            done |= follow(&list->events[i], submitted.message_id);
        }
        if (r == 0) {
            cursor = list->next;
            tmx_client_free(list);
        }
    }
    if (r != 0) {
        fprintf(stderr, "%s\n", tmx_client_error_text(client));
    }
    tmx_client_close(client);
    return r == 0 ? 0 : 1;
}
