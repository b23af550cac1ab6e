/* SPDX-License-Identifier: Apache-2.0
 * Log entries, signed bodies and the bodies inside them. ENV-2, ENV-4, ENV-5, ENV-6 */
#include <tmx/code.h>
#include <tmx/envelope.h>

#include "fuzz.h"

static void parse_body(struct tmx_bytes body)
{
    struct tmx_arena *arena = fuzz_arena();
    Tmx__Header *header;
    Tmx__Report *report;
    Tmx__PrekeySet *set;

    tmx_arena_reset(arena);
    if (tmx_header_parse(body, arena, &header) == TMX_CODE_OK) {
        assert(tmx_body_kind(body) == TMX__KIND__KIND_HEADER && header->n_recipients >= 1);
    }
    tmx_arena_reset(arena);
    if (tmx_report_parse(body, arena, &report) == TMX_CODE_OK) {
        assert(tmx_body_kind(body) == TMX__KIND__KIND_REPORT && report->acceptance != NULL);
    }
    tmx_arena_reset(arena);
    if (tmx_prekeys_parse(body, arena, &set) == TMX_CODE_OK) {
        assert(tmx_body_kind(body) == TMX__KIND__KIND_PREKEY_SET && set->n_keys <= TMX_PREKEYS_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* of its own, since parse_body resets the other */
    static struct tmx_arena arena;
    struct tmx_bytes input = TMX_BYTES(data, size);
    Tmx__LogEntry *entry;
    Tmx__Signed *sealed;
    struct tmx_signature signature;

    if (arena.start == NULL) {
        int r = tmx_arena_init(&arena, 1u << 20);
        assert(r == 0);
    }
    parse_body(input);
    tmx_arena_reset(&arena);
    if (tmx_entry_parse(input, &arena, &entry) == TMX_CODE_OK) {
        parse_body(tmx_pb(entry->body));
    }
    tmx_arena_reset(&arena);
    if (tmx_signed_parse(input, &arena, &sealed, &signature) == TMX_CODE_OK) {
        parse_body(tmx_pb(sealed->body));
    }
    return 0;
}
