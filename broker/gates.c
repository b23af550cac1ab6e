/* SPDX-License-Identifier: Apache-2.0
 * The gates as the directory wants them: one process per member that has an endpoint, with that member's keys.
 */
#include <stdlib.h>
#include <string.h>

#include <tmx/keyfile.h>
#include <tmx/log.h>
#include <tmx/zap.h>

#include "daemon.h"

#define LEAVE_MS 2000u   /* the new directory goes out in the turn that installs it */

static size_t admits_of(const Tmx__Member *m, struct tmx_admit *ret_admits, size_t max)
{
    size_t n = 0;
    if (m == NULL || m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED) {
        return 0;
    }
    for (size_t i = 0; i < m->n_curve_keys && n < max; i++) {
        if (!m->curve_keys[i]->revoked) {
            memcpy(ret_admits[n].key, m->curve_keys[i]->key.data, sizeof(ret_admits[n].key));
            memset(ret_admits[n].member, 0, sizeof(ret_admits[n].member));
            memcpy(ret_admits[n].member, m->code.data, m->code.len);
            n++;
        }
    }
    return n;
}

struct gate *gates_find(struct gates *g, struct tmx_bytes member)
{
    for (size_t i = 0; i < g->n; i++) {
        if (tmx_bytes_eq(tmx_bytes_str(g->gate[i].member), member)) {
            return &g->gate[i];
        }
    }
    return NULL;
}

/* Was a key admitted until now that is not any more? */
static bool key_removed(const struct gate *gate, const struct tmx_admit *admits, size_t n)
{
    for (size_t i = 0; i < gate->n_admitted; i++) {
        bool kept = false;
        for (size_t k = 0; k < n; k++) {
            kept = kept || memcmp(gate->admitted[i], admits[k].key, sizeof(admits[k].key)) == 0;
        }
        if (!kept) {
            return true;
        }
    }
    return false;
}

static void gate_remember(struct gate *gate, const struct tmx_admit *admits, size_t n)
{
    gate->n_admitted = n;
    for (size_t i = 0; i < n; i++) {
        memcpy(gate->admitted[i], admits[i].key, sizeof(gate->admitted[i]));
    }
}

static void gate_admit(struct gate *gate, const struct tmx_admit *admits, size_t n)
{
    tmx_gate_link_admit(gate->link, admits, n);
    gate_remember(gate, admits, n);
}

static void gate_missing(struct gates *g, const char *member)
{
    if (g->n_missing < TMX_MEMBERS_MAX) {
        memcpy(g->missing[g->n_missing++], member, sizeof(g->missing[0]));
    }
}

static void config_free(struct tmx_gate_config *c)
{
    if (c != NULL) {
        tmx_startup_unlock(c->secret, sizeof(c->secret));
        free(c);
    }
}

static void gate_start(struct gates *g, const Tmx__Gate *pb, const Tmx__Member *m)
{
    if (g->n == TMX_MEMBERS_MAX) {
        return;
    }
    struct gate *gate = &g->gate[g->n];
    memset(gate, 0, sizeof(*gate));
    memcpy(gate->member, pb->member.data, pb->member.len);
    struct tmx_gate_config *c = calloc(1, sizeof(*c));
    char path[4096], error[512] = "";
    uint8_t public[32];
    snprintf(path, sizeof(path), "%s/gate-%s.key", g->settings->keys, gate->member);
    if (c != NULL) {
        tmx_startup_lock(c->secret, sizeof(c->secret));
    }
    if (c == NULL || pb->endpoint.len >= sizeof(c->endpoint) ||
        tmx_keyfile_load(path, "gate", public, c->secret, sizeof(c->secret), error, sizeof(error)) != 0) {
        tmx_log_text(TMX_LOG_ERROR, "gate.no-key", "%s", error[0] != '\0' ? error : "endpoint too long");
        gate_missing(g, gate->member);
        config_free(c);
        return;
    }
    if (!tmx_bytes_eq(TMX_BYTES_OF(public), tmx_pb(pb->curve_key))) {
        tmx_log_text(TMX_LOG_ERROR, "gate.other-key",
                     "%s is not the key the directory lists for the gate of %s: nodes would refuse it", path,
                     gate->member);
        gate_missing(g, gate->member);
        config_free(c);
        return;
    }
    memcpy(gate->key, public, sizeof(gate->key));
    memcpy(c->endpoint, pb->endpoint.data, pb->endpoint.len);
    memcpy(gate->endpoint, c->endpoint, sizeof(gate->endpoint));
    c->n_admits = admits_of(m, c->admits, TMX_KEYS_PER_MEMBER_MAX);
    gate_remember(gate, c->admits, c->n_admits);
    if (tmx_gate_link_new(g->settings->gate_program, c, g->settings->gate_memory_bytes, &gate->link) == 0) {
        g->n++;
    }
    config_free(c);
}

static const Tmx__Gate *listed(const Tmx__Directory *pb, const struct gate *gate)
{
    for (size_t i = 0; i < pb->n_gates; i++) {
        if (tmx_bytes_eq(tmx_pb(pb->gates[i]->member), tmx_bytes_str(gate->member)) &&
            tmx_bytes_eq(tmx_pb(pb->gates[i]->endpoint), tmx_bytes_str(gate->endpoint)) &&
            tmx_bytes_eq(tmx_pb(pb->gates[i]->curve_key), TMX_BYTES_OF(gate->key))) {
            return pb->gates[i];
        }
    }
    return NULL;
}

static void gate_stop(struct gates *g, size_t i)
{
    tmx_gate_link_free(g->gate[i].link);
    g->n--;
    g->gate[i] = g->gate[g->n];
}

void gates_sync(struct gates *g, const struct tmx_directory *d, uint64_t now_ms)
{
    const Tmx__Directory *pb = tmx_directory_pb(d);
    for (size_t i = 0; i < g->n;) {
        struct gate *gate = &g->gate[i];
        const Tmx__Member *m = tmx_directory_member(d, tmx_bytes_str(gate->member));
        struct tmx_admit admits[TMX_KEYS_PER_MEMBER_MAX];
        size_t n = admits_of(m, admits, TMX_N(admits));
        bool leaves = listed(pb, gate) == NULL;
        if (leaves && gate->leaves_ms == 0) {
            gate->leaves_ms = now_ms + LEAVE_MS;
        }
        if (n == 0 || (leaves && now_ms >= gate->leaves_ms)) {
            tmx_log_text(TMX_LOG_NOTICE, "gate.ended", "%s at %s", gate->member, gate->endpoint);
            gate_stop(g, i);   /* its connections end with the process */
            continue;
        }
        gate->leaves_ms = leaves ? gate->leaves_ms : 0;
        bool removed = key_removed(gate, admits, n);
        gate_admit(gate, admits, n);
        if (removed) {
            tmx_gate_link_restart(gate->link, now_ms);   /* what is connected under that key ends with the process */
        }
        i++;
    }
    g->n_missing = 0;
    for (size_t i = 0; i < pb->n_gates; i++) {
        const Tmx__Member *m = tmx_directory_member(d, tmx_pb(pb->gates[i]->member));
        if (m != NULL && m->status != TMX__MEMBER_STATUS__MEMBER_REVOKED &&
            gates_find(g, tmx_pb(pb->gates[i]->member)) == NULL) {
            gate_start(g, pb->gates[i], m);
        }
    }
    for (size_t i = 0; i < g->n; i++) {
        tmx_gate_link_step(g->gate[i].link, now_ms);
    }
}

bool gates_due(const struct gates *g, uint64_t now_ms)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->gate[i].leaves_ms != 0 && now_ms >= g->gate[i].leaves_ms) {
            return true;
        }
    }
    return false;
}

void gates_log(struct gates *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct gate *gate = &g->gate[i];
        tmx_zap_log(gate->endpoint, &tmx_gate_link_status(gate->link)->counters, &gate->told_refused);
    }
}

void gates_free(struct gates *g)
{
    while (g->n > 0) {
        gate_stop(g, g->n - 1);
    }
}
