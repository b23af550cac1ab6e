/* SPDX-License-Identifier: Apache-2.0
 * A daemon's status for browsers and monitoring systems, over HTTP on a loopback address: read-only, and bounded in
 * connections, time and sizes.
 *
 *   /               a page that shows the status and keeps it fresh
 *   /status.json    the status, as over the control socket (tmx/control.h)
 *   /history.json   `history`: the last hours, minute by minute
 *   /recent.json    `history recent`: the last quarter of an hour, in steps of 10 seconds
 *   /metrics        the status for Prometheus (tmx-metrics(7))
 *   /healthz        200 when the daemon works, 503 when its health is critical; the health in a word
 *
 * It has no thread: it runs in the daemon's loop, and never blocks it. What it says is made when somebody asks, at most
 * once a second. Everybody on the machine may ask, and nobody else, not even a foreign page in a browser here: a request
 * has to name a loopback address as its host.
 */
#pragma once

#include <jansson.h>

#include <tmx/err.h>
#include <tmx/limits.h>

struct tmx_http;

enum tmx_http_document { TMX_HTTP_STATUS, TMX_HTTP_HISTORY, TMX_HTTP_RECENT };

/* Where the documents come from: a new reference, NULL when it cannot be made. Called within tmx_http_step. */
struct tmx_http_source {
    json_t *(*document)(void *context, enum tmx_http_document which);
    void *context;
};

/* "127.0.0.1:9570", "[::1]:9570": a loopback address and a port. */
bool tmx_http_address_valid(const char *address) TMX_MUST_CHECK;

/* Listens. -EADDRINUSE, -EADDRNOTAVAIL … `address` is valid. */
int tmx_http_new(const char *address, const struct tmx_http_source *source, struct tmx_http **ret_http) TMX_MUST_CHECK;
struct tmx_http *tmx_http_free(struct tmx_http *h);

/* It is readable when there is something to do. */
int tmx_http_fd(const struct tmx_http *h);
/* When to step at the latest; UINT64_MAX = only when the descriptor is readable. */
uint64_t tmx_http_due(const struct tmx_http *h);
/* Accepts, reads, answers and writes whatever is ready, without blocking, and closes who is too slow. now_ms is monotonic. */
void tmx_http_step(struct tmx_http *h, uint64_t now_ms);
