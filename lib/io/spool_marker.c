/* SPDX-License-Identifier: Apache-2.0
 * The marker beside a spool: one line of text, "tmx-spool-marker 1 GENERATION TURN", and its digest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include <tmx/spool_lmdb.h>

#include "files.h"

#define MARKER_MAX 256u

static void compose(struct tmx_spool_mark mark, char ret_text[MARKER_MAX])
{
    char line[MARKER_MAX / 2], hex[2 * 16 + 1];
    uint8_t hash[16];
    int n = snprintf(line, sizeof(line), "tmx-spool-marker 1 %" PRIu64 " %" PRIu64, mark.generation, mark.turn);
    assert(n > 0 && (size_t)n < sizeof(line));
    (void)crypto_generichash(hash, sizeof(hash), (const unsigned char *)line, (size_t)n, NULL, 0);
    (void)sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    (void)snprintf(ret_text, MARKER_MAX, "%s %s\n", line, hex);
}

int tmx_spool_marker_read(const char *path, struct tmx_spool_mark *ret_mark)
{
    uint8_t found[MARKER_MAX];
    char text[MARKER_MAX];
    struct tmx_spool_mark seen;
    size_t size;
    int r = tmx_read_file(path, found, sizeof(found) - 1, &size);
    if (r == -ENOENT) {
        return TMX_MARKER_E_NONE;
    }
    if (r < 0) {
        return r == -EFBIG ? -EBADMSG : r;
    }
    found[size] = '\0';
    if (sscanf((const char *)found, "tmx-spool-marker 1 %" SCNu64 " %" SCNu64, &seen.generation, &seen.turn) != 2) {
        return -EBADMSG;
    }
    compose(seen, text);   /* what is there must be exactly what would be written */
    if (!tmx_bytes_eq(TMX_BYTES(found, size), tmx_bytes_str(text))) {
        return -EBADMSG;
    }
    *ret_mark = seen;
    return TMX_MARKER_OK;
}

int tmx_spool_marker_check(const char *path, struct tmx_spool_mark mark)
{
    struct tmx_spool_mark seen;
    int r = tmx_spool_marker_read(path, &seen);
    if (r != TMX_MARKER_OK) {
        return r;
    }
    bool old = mark.generation < seen.generation || (mark.generation == seen.generation && mark.turn < seen.turn);
    return old ? TMX_MARKER_E_OLD : TMX_MARKER_OK;
}

int tmx_spool_marker_write(const char *path, struct tmx_spool_mark mark)
{
    char text[MARKER_MAX];
    compose(mark, text);
    return tmx_replace_file(path, tmx_bytes_str(text));
}
