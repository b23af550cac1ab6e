/* SPDX-License-Identifier: Apache-2.0
 * The stream between core and gate, as a compromised gate could fill it. TRA-4 */
#include <string.h>

#include <tmx/gateframe.h>

#include "fuzz.h"

static void decode(enum tmx_gate_kind kind, struct tmx_bytes body)
{
    static struct tmx_gate_config config;
    static struct tmx_message message;
    static uint8_t again[TMX_GATE_FRAME_MAX];
    struct tmx_writer w = TMX_WRITER_OF(again);
    struct tmx_transport_counters counters;
    struct tmx_bytes text;
    bool good = false;

    switch (kind) {
    case TMX_GATE_CONFIG:
        good = tmx_gate_get_config(body, &config);
        if (good) {
            tmx_gate_put_config(&w, &config);
        }
        break;
    case TMX_GATE_ADMIT:
        good = tmx_gate_get_admit(body, config.admits, TMX_N(config.admits), &config.n_admits);
        if (good) {
            tmx_gate_put_admit(&w, config.admits, config.n_admits);
        }
        break;
    case TMX_GATE_READY:
        break;
    case TMX_GATE_FAILED:
        good = tmx_gate_get_failed(body, &text);
        if (good) {
            tmx_gate_put_failed(&w, text);
        }
        break;
    case TMX_GATE_MESSAGE:
        good = tmx_gate_get_message(body, &message);
        if (good) {
            tmx_gate_put_message(&w, &message);
        }
        break;
    case TMX_GATE_COUNTERS:
        good = tmx_gate_get_counters(body, &counters);
        if (good) {
            tmx_gate_put_counters(&w, &counters);
        }
        break;
    }
    if (good) {
        /* what is taken says nothing else when it is written again */
        assert(w.used == 5 + body.size && (body.size == 0 || memcmp(again + 5, body.data, body.size) == 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tmx_bytes stream = TMX_BYTES(data, size);
    enum tmx_gate_kind kind;
    struct tmx_bytes body;
    size_t used;

    while (tmx_gate_split(stream, &kind, &body, &used) == 0) {
        assert(used >= 5 && used <= stream.size);
        decode(kind, body);
        stream = tmx_bytes_slice(stream, used, stream.size - used);
    }
    return 0;
}
