/* SPDX-License-Identifier: Apache-2.0
 * The command prune, and what every command says of an export that was pruned.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>

#include "commands.h"
#include "prune.h"

static int run(const struct tmx_prune_order *order)
{
    struct tmx_prune_result result;
    char why[PRUNE_WHY_MAX];
    char id[TMX_ID_TEXT_SIZE];
    int r = tmx_prune_run(order, &result, why);

    if (r < 0) {
        fprintf(stderr, "tmx-audit: %s: %s\n", why, strerror(-r));
        return EXIT_FAILED;
    }
    printf("%s: %" PRIu64 " entries pruned, %" PRIu64 " kept from %" PRIu64 " on\n", result.head.origin,
           result.index - result.before, result.head.size - result.index, result.index);
    if (result.held) {
        tmx_id_text(result.held_id, id);
        fprintf(stderr, "tmx-audit: not as far as asked: entry %" PRIu64 " belongs to a delivery without outcome, of message %s\n",
                result.held_index, id);
    }
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

int tmx_run_prune(const struct arguments *a)
{
    struct tmx_prune_order order = { .dir = a->operands[0],
                                     .authority_file = a->authority,
                                     .before_ms = a->before_ms,
                                     .before_index = a->before_index,
                                     .jobs = a->jobs };
    struct tmx_signify_key key;
    int r = tmx_audit_sign_key(a, &key, &order.key);

    r = r == EXIT_OK ? run(&order) : r;
    sodium_memzero(&key, sizeof key);
    return r;
}
