/* SPDX-License-Identifier: Apache-2.0
 * A national application collects: leases what came, makes it durable, then acknowledges it, or refuses what it can never take.
 *
 *   collect ENDPOINT FOLDER
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <tmx/client.h>
#include <unistd.h>

/* Only ids become names of files: what another administration wrote never does. */
static void name_of(const struct tmx_client_leased *m, char *ret_name, size_t capacity)
{
    size_t used = 0;

    for (size_t i = 0; i < TMX_CLIENT_ID_BYTES; i++) {
        used += (size_t)snprintf(ret_name + used, capacity - used, "%02x", m->message_id[i]);
    }
}

/* Writes the payload under a temporary name, syncs it, and renames it: 0 when it is durable under its id. A message that was
 * handed over before (redelivered) overwrites itself. */
static int keep(int folder, const struct tmx_client_leased *m)
{
    char name[2 * TMX_CLIENT_ID_BYTES + 1];
    int fd = openat(folder, ".arriving", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    size_t done = 0;

    name_of(m, name, sizeof(name));
    while (fd >= 0 && done < m->payload_bytes) {
        ssize_t n = write(fd, m->payload + done, m->payload_bytes - done);
        if (n < 0) {
            break;
        }
        done += (size_t)n;
    }
    int ok = fd >= 0 && done == m->payload_bytes && fsync(fd) == 0 &&
             renameat(folder, ".arriving", folder, name) == 0 && fsync(folder) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok ? 0 : -1;
}

static int take(struct tmx_client *client, int folder, const struct tmx_client_leased *m)
{
    if (m->payload[0] != '<') {
        printf("refused a %s from %s\n", m->message_type, m->sender);
        return tmx_client_refuse(client, m->message_id, m->token, 601, "this is not XML");
    }
    if (keep(folder, m) < 0) {
        perror("not kept: the lease lapses, and it comes again");
        return 0;
    }
    printf("took a %s from %s%s\n", m->message_type, m->sender, m->redelivered ? " (again)" : "");
    return tmx_client_ack(client, m->message_id, m->token);
}

int main(int argc, char **argv)
{
    struct tmx_client *client;
    const struct tmx_client_leases *leases = NULL;
    int folder = argc == 3 ? open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (folder < 0 || tmx_client_open(argv[1], NULL, &client) != 0) {
        fprintf(stderr, "usage: collect ENDPOINT FOLDER\n");
        return 64;
    }
    int r = tmx_client_lease(client, 16, 0, 5000, NULL, 0, &leases);
    for (size_t i = 0; r == 0 && i < leases->n_messages; i++) {
        r = take(client, folder, &leases->messages[i]);
    }
    if (r != 0) {
        fprintf(stderr, "%s\n", tmx_client_error_text(client));
    }
    tmx_client_free(leases);
    tmx_client_close(client);
    close(folder);
    return r == 0 ? 0 : 1;
}
