/* SPDX-License-Identifier: Apache-2.0
 * See projected.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "projected.h"

#define PAGE_ROWS 7u   /* few, so that there are pages */

static void count(void *ctx, const uint8_t *row, uint64_t came)
{
    (*(uint64_t *)ctx)++;
}

static bool compare_page(const struct tmx_audit *a, enum tmx_projection_table table, const uint8_t *rows, uint64_t n, char *why)
{
    const struct tmx_projection_layout *layout = tmx_projection_layout(table);
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *row = rows + i * layout->row_size;
        uint8_t own[TMX_PROJECTION_ROW_MAX];
        uint64_t since;
        if (!tmx_audit_row(a, table, row, own, &since)) {
            snprintf(why, PROJECTED_WHY_MAX, "%s: the log gives no row %02x%02x…", layout->name, row[0], row[1]);
            return false;
        }
        for (size_t at = 0; at < layout->row_size; at++) {
            if (own[at] != row[at]) {
                snprintf(why, PROJECTED_WHY_MAX, "%s: row %" PRIu64 " of a page has %u at byte %zu, by the log %u since entry %" PRIu64,
                         layout->name, i, row[at], at, own[at], since);
                return false;
            }
        }
    }
    return true;
}

static bool compare_table(const struct tmx_audit *a, struct tmx_broker *b, enum tmx_projection_table table, char *why)
{
    uint8_t rows[PAGE_ROWS * TMX_PROJECTION_ROW_MAX];
    const size_t room = PAGE_ROWS * tmx_projection_layout(table)->row_size;
    struct tmx_broker_page page = { .next_size = 0 };
    uint64_t told = 0, wanted = 0;
    do {
        struct tmx_writer w = tmx_writer_init(rows, room);
        uint8_t from[TMX_KEY_MAX];
        memcpy(from, page.next, sizeof(from));
        if (!tmx_broker_project(b, table, TMX_BYTES(from, page.next_size), &w, &page) ||
            page.size != tmx_audit_result(a)->entries) {
            snprintf(why, PROJECTED_WHY_MAX, "%s cannot be read at %" PRIu64 " entries", tmx_projection_layout(table)->name, page.size);
            return false;
        }
        if (!compare_page(a, table, rows, page.rows, why)) {
            return false;
        }
        told += page.rows;
    } while (page.next_size > 0);
    tmx_audit_rows(a, table, count, &wanted);
    if (told != wanted) {
        snprintf(why, PROJECTED_WHY_MAX, "%s: %" PRIu64 " rows, by the log %" PRIu64, tmx_projection_layout(table)->name, told, wanted);
    }
    return told == wanted;
}

bool projected(const struct tmx_audit *a, struct tmx_broker *b, char why[PROJECTED_WHY_MAX])
{
    for (unsigned t = 0; t < TMX_PROJECTION_TABLES; t++) {
        if (!compare_table(a, b, (enum tmx_projection_table)t, why)) {
            return false;
        }
    }
    return true;
}
