/* SPDX-License-Identifier: Apache-2.0
 * NCTS messages as files of anybody, and the submissions made of them. */
#include <string.h>

#include "../../node/cli/compose.h"
#include "../../node/cli/ncts_xml.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct compose_options options = { .to = "IT,CH", .type = "CD001C" };
    struct tmx_bytes file = TMX_BYTES(data, size);
    struct ncts_message m = { 0 };
    struct draft draft;
    char reason[256] = "";

    int r = ncts_xml_read(file, &m, reason, sizeof(reason));
    assert(r == NCTS_OK || r == NCTS_E_REFUSED);
    if (r == NCTS_OK) {
        assert(reason[0] == '\0' && strcmp(m.type, m.root) == 0);
        assert(m.sender[0] != '\0' && m.recipient[0] != '\0' && m.identification[0] != '\0');
    } else {
        assert(reason[0] != '\0' && strlen(reason) < sizeof(reason) && m.root[0] == '\0');
    }
    r = compose(&options, "DE", "a.xml", file, &draft, reason, sizeof(reason));
    if (r == COMPOSE_OK) {
        assert(draft.submission.payload == data && draft.submission.payload_bytes == size);
        assert(draft.submission.n_recipients == 2 && strcmp(draft.submission.message_type, "CD001C") == 0);
        size_t reference = strlen(draft.submission.reference);
        assert(reference >= 1 && reference <= TMX_REFERENCE_MAX);
    } else {
        assert(r == COMPOSE_E_REFUSED && reason[0] != '\0');
    }
    return 0;
}
