/* SPDX-License-Identifier: Apache-2.0
 * The layouts of projection.h as data: what reads, compares and prints rows needs no code of its own for a table.
 */
#include <string.h>

#include <tmx/projection.h>

#define MEMBER(name) { name, TMX_PROJECTION_MEMBER }
#define ID(name) { name, TMX_PROJECTION_ID }
#define DIGEST(name) { name, TMX_PROJECTION_DIGEST }
#define U64(name) { name, TMX_PROJECTION_U64 }
#define U32(name) { name, TMX_PROJECTION_U32 }
#define U8(name) { name, TMX_PROJECTION_U8 }
#define STATE(name) { name, TMX_PROJECTION_STATE }

static const struct tmx_projection_layout layouts[TMX_PROJECTION_TABLES] = {
    [TMX_PROJECTION_DIRECTORY] = { "directory", 40, 0, 0, 2, { U64("serial"), DIGEST("digest") } },
    [TMX_PROJECTION_PREKEY_SETS] = { "prekey-sets", 24, 8, 1, 3, { MEMBER("member"), U64("serial"), U64("entry") } },
    [TMX_PROJECTION_PAIRS] = { "pairs", 24, 16, 2, 3, { MEMBER("sender"), MEMBER("recipient"), U64("last") } },
    [TMX_PROJECTION_MESSAGES] = { "messages", 103, 16, 1, 9,
                                  { ID("message"), MEMBER("sender"), U64("acceptance"), DIGEST("header digest"),
                                    DIGEST("container digest"), U32("container bytes"), U8("recipients"), U8("queued"),
                                    U8("open") } },
    [TMX_PROJECTION_DELIVERIES] = { "deliveries", 73, 24, 2, 9,
                                    { ID("message"), MEMBER("recipient"), MEMBER("sender"), U64("seq"), U64("acceptance"),
                                      U64("expiry"), STATE("state"), U64("coa"), U64("outcome") } },
    [TMX_PROJECTION_REFUSED_IDS] = { "refused-ids", 32, 24, 2, 3, { ID("message"), MEMBER("sender"), U64("entry") } },
    [TMX_PROJECTION_REFUSALS] = { "refusals", 40, 32, 1, 2, { DIGEST("digest"), U64("entry") } },
    [TMX_PROJECTION_DESTINATIONS] = { "destinations", 48, 8, 1, 6,
                                      { MEMBER("member"), U64("queued"), U64("queued bytes"), U64("arrived"),
                                        U64("accepted"), U64("terminal") } },
    [TMX_PROJECTION_STOPS] = { "stops", 16, 8, 1, 2, { MEMBER("member"), U64("entry") } },
    [TMX_PROJECTION_HOLDS] = { "holds", 32, 24, 2, 3, { MEMBER("member"), ID("message"), U64("entry") } },
    [TMX_PROJECTION_PROPOSALS] = { "proposals", 49, 8, 1, 4, { U64("entry"), U64("until"), U8("action"), DIGEST("digest") } },
};

const struct tmx_projection_layout *tmx_projection_layout(enum tmx_projection_table table)
{
    assert(table < TMX_PROJECTION_TABLES);
    return &layouts[table];
}

bool tmx_projection_find(const char *name, enum tmx_projection_table *ret_table)
{
    for (unsigned t = 0; t < TMX_PROJECTION_TABLES; t++) {
        if (strcmp(name, layouts[t].name) == 0) {
            *ret_table = (enum tmx_projection_table)t;
            return true;
        }
    }
    return false;
}

size_t tmx_projection_field_size(enum tmx_projection_kind kind)
{
    static const size_t sizes[] = {
        [TMX_PROJECTION_MEMBER] = 8, [TMX_PROJECTION_ID] = 16, [TMX_PROJECTION_DIGEST] = 32, [TMX_PROJECTION_U64] = 8,
        [TMX_PROJECTION_U32] = 4,    [TMX_PROJECTION_U8] = 1,  [TMX_PROJECTION_STATE] = 1,
    };

    return sizes[kind];
}

const char *tmx_projection_state_name(uint8_t state)
{
    static const char *const names[TMX_PROJECTION_STATES] = { "queued", "arrived", "delivered", "refused", "expired", "exception" };

    return state < TMX_N(names) ? names[state] : "unknown";
}
