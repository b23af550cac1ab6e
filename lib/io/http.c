/* SPDX-License-Identifier: Apache-2.0
 * The HTTP endpoint: libmicrohttpd without a thread of its own, stepped by the daemon's loop. Contract: tmx/http.h.
 *
 * What is answered is a response object that all who ask within a second share. A connection has one request, and ten
 * seconds from its beginning: its socket is then shut down, which the library takes for the peer's end. While all places are taken
 * the oldest goes after one second: those who do nothing keep nobody out.
 */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tmx/http.h>

#include "http_address.h"
#include "metrics.h"
#include "page.h"

#define JSON_TYPE "application/json; charset=utf-8"
#define TEXT_TYPE "text/plain; charset=utf-8"
#define PAGE_TYPE "text/html; charset=utf-8"

enum what { PAGE, STATUS, HISTORY, RECENT, METRICS, HEALTH, WHATS };

struct cached {
    struct MHD_Response *response;   /* NULL: not made yet, or it is to be made again */
    unsigned status;
    uint64_t made_ms;
};

struct tmx_http {
    struct MHD_Daemon *daemon;
    int epoll;
    struct tmx_http_source source;
    uint64_t now_ms;
    uint64_t due_ms;
    bool freed;              /* a place, in this step */
    struct connection {
        int fd;              /* -1: free */
        uint64_t from_ms;
    } connections[TMX_HTTP_CONNECTIONS_MAX];
    struct cached cached[WHATS];
};

static const struct {
    const char *path;
    enum tmx_http_document of;
} kinds[WHATS] = {
    [PAGE] = { "/", TMX_HTTP_STATUS },
    [STATUS] = { "/status.json", TMX_HTTP_STATUS },
    [HISTORY] = { "/history.json", TMX_HTTP_HISTORY },
    [RECENT] = { "/recent.json", TMX_HTTP_RECENT },
    [METRICS] = { "/metrics", TMX_HTTP_STATUS },
    [HEALTH] = { "/healthz", TMX_HTTP_STATUS },
};

/* ---- what is answered ---- */

/* Nothing is kept by browsers, nothing from elsewhere is used by the page, no other page may use anything of this. */
static const char *const headers[][2] = {
    { "Cache-Control", "no-store" },
    { "Connection", "close" },
    { "Content-Security-Policy", tmx_page_policy },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Referrer-Policy", "no-referrer" },
    { "X-Content-Type-Options", "nosniff" },
};

/* Takes over `text` when it is malloc'ed; NULL when memory is out. */
static struct MHD_Response *response_of(const char *type, const char *text, size_t size, bool malloced)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(
        size, (void *)(uintptr_t)text, malloced ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (r == NULL) {
        if (malloced) {
            free((void *)(uintptr_t)text);
        }
        return NULL;
    }
    bool ok = MHD_add_response_header(r, "Content-Type", type) == MHD_YES;
    for (size_t i = 0; i < TMX_N(headers); i++) {
        ok = ok && MHD_add_response_header(r, headers[i][0], headers[i][1]) == MHD_YES;
    }
    if (!ok) {
        MHD_destroy_response(r);
        return NULL;
    }
    return r;
}

static struct MHD_Response *plain(const char *text)
{
    return response_of(TEXT_TYPE, text, strlen(text), false);
}

static struct MHD_Response *metrics_of(const json_t *status)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    tmx_metrics_write(status, out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return response_of(TMX_METRICS_TYPE, text, size, true);
}

/* Of the health, whose text is not lent. */
static struct MHD_Response *health_of(const json_t *status, unsigned *ret_status)
{
    static const char *const words[] = { "ok\n", "warning\n", "critical\n" };
    const char *health = json_string_value(json_object_get(status, "health"));
    size_t i = 0;
    while (i + 1 < TMX_N(words) && (health == NULL || strncmp(words[i], health, strlen(health)) != 0)) {
        i++;
    }
    *ret_status = i + 1 < TMX_N(words) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    return plain(words[i]);
}

static struct MHD_Response *make(struct tmx_http *h, enum what what, unsigned *ret_status)
{
    *ret_status = MHD_HTTP_OK;
    if (what == PAGE) {
        return response_of(PAGE_TYPE, tmx_page, strlen(tmx_page), false);
    }
    json_t *document = h->source.document(h->source.context, kinds[what].of);
    char *text = NULL;
    struct MHD_Response *r = NULL;
    if (document == NULL) {
        *ret_status = MHD_HTTP_SERVICE_UNAVAILABLE;
        r = plain("it cannot be read at the moment\n");
    } else if (what == METRICS) {
        r = metrics_of(document);
    } else if (what == HEALTH) {
        r = health_of(document, ret_status);
    } else if ((text = json_dumps(document, JSON_COMPACT)) != NULL) {
        r = response_of(JSON_TYPE, text, strlen(text), true);
    }
    json_decref(document);
    return r;
}

static const struct cached *fresh(struct tmx_http *h, enum what what)
{
    struct cached *c = &h->cached[what];
    if (c->response != NULL && h->now_ms - c->made_ms >= TMX_HTTP_FRESH_MS) {
        MHD_destroy_response(c->response);   /* who is being answered still has it */
        c->response = NULL;
    }
    if (c->response == NULL) {
        c->response = make(h, what, &c->status);
        c->made_ms = h->now_ms;
    }
    return c;
}

/* ---- requests ---- */

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned status, const char *text)
{
    struct MHD_Response *r = plain(text);
    if (r == NULL) {
        return MHD_NO;
    }
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED && MHD_add_response_header(r, "Allow", "GET, HEAD") != MHD_YES) {
        MHD_destroy_response(r);
        return MHD_NO;
    }
    enum MHD_Result result = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return result;
}

/* Once the headers are there; what a request has beside them is not read. MHD_NO ends the connection. */
static enum MHD_Result answer(void *context, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **request)
{
    struct tmx_http *h = context;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "it can only be read\n");
    }
    if (!http_host_ours(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host"))) {
        return refuse(c, MHD_HTTP_MISDIRECTED_REQUEST, "ask by a loopback address or as localhost\n");
    }
    for (enum what what = 0; what < WHATS; what++) {
        if (strcmp(url, kinds[what].path) == 0) {
            const struct cached *it = fresh(h, what);
            return it->response == NULL ? MHD_NO : MHD_queue_response(c, it->status, it->response);
        }
    }
    return refuse(c, MHD_HTTP_NOT_FOUND, "there is nothing here: /  /status.json  /history.json  /recent.json  /metrics  /healthz\n");
}

/* ---- connections ---- */

static void connection_noted(void *context, struct MHD_Connection *c, void **socket_context,
                             enum MHD_ConnectionNotificationCode code)
{
    struct tmx_http *h = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        *(struct connection *)*socket_context = (struct connection){ .fd = -1 };
        h->freed = true;
        return;
    }
    size_t i = 0;
    while (h->connections[i].fd >= 0) {
        i++;
        assert(i < TMX_N(h->connections));   /* the library lets in no more */
    }
    h->connections[i] = (struct connection){ .fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
                                             .from_ms = h->now_ms };
    *socket_context = &h->connections[i];
}

static int listen_at(const char *address)
{
    struct sockaddr_storage a;
    socklen_t size;
    if (!http_address_parse(address, &a, &size)) {
        return -EINVAL;
    }
    int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&a, size) < 0 || listen(fd, TMX_HTTP_CONNECTIONS_MAX) < 0) {
        int r = -errno;
        if (fd >= 0) {
            close(fd);
        }
        return r;
    }
    return fd;
}

int tmx_http_new(const char *address, const struct tmx_http_source *source, struct tmx_http **ret_http)
{
    int fd = listen_at(address);
    if (fd < 0) {
        return fd;
    }
    struct tmx_http *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        close(fd);
        return -ENOMEM;
    }
    h->source = *source;
    h->due_ms = UINT64_MAX;
    for (size_t i = 0; i < TMX_N(h->connections); i++) {
        h->connections[i].fd = -1;
    }
    h->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, h, MHD_OPTION_LISTEN_SOCKET, fd,
                                 MHD_OPTION_CONNECTION_LIMIT, TMX_HTTP_CONNECTIONS_MAX,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)TMX_HTTP_MEMORY_MAX,
                                 MHD_OPTION_NOTIFY_CONNECTION, connection_noted, h, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                                 MHD_OPTION_END);
    if (h->daemon == NULL) {
        close(fd);
        free(h);
        return -ENOMEM;
    }
    h->epoll = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    *ret_http = h;
    return 0;
}

struct tmx_http *tmx_http_free(struct tmx_http *h)
{
    if (h == NULL) {
        return NULL;
    }
    MHD_stop_daemon(h->daemon);
    for (enum what what = 0; what < WHATS; what++) {
        if (h->cached[what].response != NULL) {
            MHD_destroy_response(h->cached[what].response);
        }
    }
    free(h);
    return NULL;
}

int tmx_http_fd(const struct tmx_http *h)
{
    return h->epoll;
}

uint64_t tmx_http_due(const struct tmx_http *h)
{
    return h->due_ms;
}

/* The one that is there longest; NULL: a place is free. */
static struct connection *crowded(struct tmx_http *h)
{
    struct connection *oldest = &h->connections[0];
    for (size_t i = 0; i < TMX_N(h->connections); i++) {
        if (h->connections[i].fd < 0) {
            return NULL;
        }
        oldest = h->connections[i].from_ms < oldest->from_ms ? &h->connections[i] : oldest;
    }
    return oldest;
}

static void leave(struct tmx_http *h)
{
    struct connection *oldest = crowded(h);
    for (size_t i = 0; i < TMX_N(h->connections); i++) {
        struct connection *c = &h->connections[i];
        uint64_t limit_ms = c == oldest ? TMX_HTTP_CROWDED_MS : TMX_HTTP_CLIENT_MS;
        if (c->fd >= 0 && h->now_ms - c->from_ms >= limit_ms) {
            (void)shutdown(c->fd, SHUT_RDWR);
        }
    }
}

void tmx_http_step(struct tmx_http *h, uint64_t now_ms)
{
    h->now_ms = now_ms;
    h->freed = false;
    leave(h);
    (void)MHD_run(h->daemon);
    MHD_UNSIGNED_LONG_LONG wait_ms;
    h->due_ms = MHD_get_timeout(h->daemon, &wait_ms) == MHD_YES ? now_ms + wait_ms : UINT64_MAX;
    if (h->freed) {
        h->due_ms = now_ms;   /* whoever waits for it is let in then */
    }
    const struct connection *oldest = crowded(h);
    for (size_t i = 0; i < TMX_N(h->connections); i++) {
        const struct connection *c = &h->connections[i];
        uint64_t end_ms = c->from_ms + (c == oldest ? TMX_HTTP_CROWDED_MS : TMX_HTTP_CLIENT_MS);
        h->due_ms = c->fd >= 0 && end_ms < h->due_ms ? end_ms : h->due_ms;
    }
}
