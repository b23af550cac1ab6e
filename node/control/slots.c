/* SPDX-License-Identifier: Apache-2.0
 * `slots ID` at a node: which keys a container is sealed to that was sent or has come, while it is kept.
 */
#include <string.h>

#include <tmx/text.h>

#include "../daemon.h"

json_t *control_slots(struct daemon *d, const char *word)
{
    uint8_t id[TMX_ID_SIZE];
    struct tmx_bytes front = TMX_BYTES_NULL;
    if (!tmx_parse_id(tmx_bytes_str(word), id)) {
        return tmx_answer_refusal("malformed", "not a message id: 32 hexadecimal digits");
    }
    (void)!tmx_node_container_front(d->node, id, &front);   /* then there is none */
    return tmx_answer_slots(word, front);
}
