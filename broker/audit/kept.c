/* SPDX-License-Identifier: Apache-2.0
 * See kept.h. An entry: its index (8 bytes), and the entry as in a bundle.
 */
#include <stdio.h>
#include <stdlib.h>

#include "export_dir.h"
#include "kept.h"

int tmx_kept_open(int dir_fd, struct tmx_kept *ret_kept)
{
    size_t size = 0;
    int r;

    *ret_kept = (struct tmx_kept){ .data = NULL };
    r = tmx_export_read(dir_fd, KEPT_FILE, KEPT_MAX, &ret_kept->data, &size);
    if (r < 0 && r != -ENOENT) {
        return r;
    }
    ret_kept->rest = tmx_reader_init(TMX_BYTES(ret_kept->data, size));
    return 0;
}

void tmx_kept_close(struct tmx_kept *k)
{
    free(k->data);
    k->data = NULL;
}

bool tmx_kept_next(struct tmx_kept *k, uint64_t *ret_index, struct tmx_bytes *ret_entry)
{
    bool failed;

    if (k->malformed || k->rest.left == 0) {
        return false;
    }
    *ret_index = tmx_read_u64(&k->rest);
    if (!tmx_reader_ok(&k->rest) || *ret_index < k->next || !tmx_export_next_entry(&k->rest, ret_entry, &failed)) {
        k->malformed = true;
        return false;
    }
    k->next = *ret_index + 1;
    return true;
}

static void put(FILE *out, uint64_t index, struct tmx_bytes entry)
{
    uint8_t head[10];
    struct tmx_writer w = TMX_WRITER_OF(head);

    tmx_write_u64(&w, index);
    tmx_write_u16(&w, (uint16_t)entry.size);
    fwrite(head, sizeof head, 1, out);
    fwrite(entry.data, entry.size, 1, out);
}

static int put_all(int dir_fd, const struct tmx_audit *a, struct tmx_entries *entries, uint64_t from, uint64_t to, FILE *out)
{
    struct tmx_kept k;
    struct tmx_bytes entry;
    uint64_t index;
    int r = tmx_kept_open(dir_fd, &k);

    if (r < 0) {
        return r;
    }
    while (tmx_kept_next(&k, &index, &entry) && index < from) {
        put(out, index, entry);
    }
    tmx_kept_close(&k);
    for (index = from; r == 0 && tmx_audit_next_kept(a, index, &index) && index < to; index++) {
        r = tmx_entries_get(entries, index, &entry);
        if (r == 0) {
            put(out, index, entry);
        }
    }
    return r;
}

int tmx_kept_write(int dir_fd, const struct tmx_audit *a, struct tmx_entries *entries, uint64_t from, uint64_t to)
{
    char *data = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&data, &size);
    int r;

    if (out == NULL) {
        return -ENOMEM;
    }
    r = put_all(dir_fd, a, entries, from, to, out);
    if (fclose(out) != 0 && r == 0) {
        r = -ENOMEM;
    }
    if (r == 0 && size > KEPT_MAX) {
        r = -EFBIG;
    }
    if (r == 0 && size > 0) {
        r = tmx_export_write(dir_fd, KEPT_FILE, TMX_BYTES(data, size));
    }
    free(data);
    return r;
}
