/* SPDX-License-Identifier: Apache-2.0
 * Inclusion proofs for operators, between turns.
 */
#include "core.h"

bool tmx_broker_path(struct tmx_broker *b, uint64_t index, struct tmx_proof *ret_path)
{
    return index < b->signed_size && tmx_tree_path_at(b->tree, b, index, b->signed_size, ret_path);
}
