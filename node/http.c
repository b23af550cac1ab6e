/* SPDX-License-Identifier: Apache-2.0
 * The status of the daemon over HTTP: where its documents come from. Contract: tmx/http.h.
 */
#include <string.h>

#include "daemon.h"

static json_t *document(void *context, enum tmx_http_document which)
{
    static const struct tmx_control_request history = { .n_words = 1, .words = { "history" } };
    static const struct tmx_control_request recent = { .n_words = 2, .words = { "history", "recent" } };
    return which == TMX_HTTP_STATUS ? control_status(context)
                                    : pace_history(context, which == TMX_HTTP_RECENT ? &recent : &history);
}

int http_open(struct daemon *d)
{
    if (d->settings.http == NULL) {
        return 0;
    }
    const struct tmx_http_source source = { .document = document, .context = d };
    int r = tmx_http_new(d->settings.http, &source, &d->http);
    if (r < 0) {
        fprintf(stderr, "tmx-node: http = %s: %s\n", d->settings.http, strerror(-r));
        return 1;
    }
    return 0;
}
