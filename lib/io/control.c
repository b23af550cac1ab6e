/* SPDX-License-Identifier: Apache-2.0
 * The control socket, the daemon's side. Every client is a slot with a stage and a time by which it must have left it;
 * while no slot is free, nobody is accepted and the kernel's short queue keeps the others waiting.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <tmx/control.h>

#define REQUEST_MAX (TMX_CONTROL_LINE_MAX + TMX_CONTROL_ATTACHMENT_MAX)

enum stage {
    FREE,
    READING, /* until the client shuts down its side */
    ASKED,   /* complete, not handed out yet */
    HANDED,  /* the daemon works on it */
    WRITING,
};

struct client {
    enum stage stage;
    int fd;
    uint64_t id;
    uint64_t due_ms;
    uint8_t *in;
    size_t in_size; /* capacity */
    size_t in_used;
    char *out;
    size_t out_size;
    size_t out_sent;
    struct tmx_control_request request;
};

struct tmx_control {
    int fd;
    struct sockaddr_un address;
    uint64_t last_id;
    uint64_t now_ms;
    struct client clients[TMX_CONTROL_CLIENTS_MAX];
};

/* ---- the socket file ---- */

/* Removes a socket file nobody listens on. */
static int remove_stale(const struct sockaddr_un *address)
{
    struct stat st;
    if (lstat(address->sun_path, &st) < 0) {
        return -errno;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return -EEXIST;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    int r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : -EADDRINUSE;
    close(fd);
    if (r == -EAGAIN) {
        return -EADDRINUSE; /* somebody listens and is busy */
    }
    if (r != -ECONNREFUSED) {
        return r;
    }
    return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int listen_at(int fd, const struct sockaddr_un *address)
{
    const struct sockaddr *a = (const struct sockaddr *)address;
    int r = bind(fd, a, sizeof(*address)) < 0 ? -errno : 0;
    if (r == -EADDRINUSE) {
        r = remove_stale(address);
        if (r < 0) {
            return r;
        }
        r = bind(fd, a, sizeof(*address)) < 0 ? -errno : 0;
    }
    if (r == 0 && (chmod(address->sun_path, 0660) < 0 || listen(fd, TMX_CONTROL_CLIENTS_MAX) < 0)) {
        r = -errno;
        (void)unlink(address->sun_path);
    }
    return r;
}

int tmx_control_new(const char *path, struct tmx_control **ret_control)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t size = strlen(path);
    if (size >= sizeof(address.sun_path)) {
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, size);
    struct tmx_control *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return -ENOMEM;
    }
    c->address = address;
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = c->fd < 0 ? -errno : listen_at(c->fd, &address);
    if (r < 0) {
        if (c->fd >= 0) {
            close(c->fd);
        }
        free(c);
        return r;
    }
    *ret_control = c;
    return 0;
}

/* ---- clients ---- */

static void drop(struct client *k)
{
    close(k->fd);
    free(k->in);
    free(k->out);
    *k = (struct client){ .stage = FREE };
}

struct tmx_control *tmx_control_free(struct tmx_control *c)
{
    if (c == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < TMX_N(c->clients); i++) {
        if (c->clients[i].stage != FREE) {
            drop(&c->clients[i]);
        }
    }
    close(c->fd);
    (void)unlink(c->address.sun_path);
    free(c);
    return NULL;
}

static struct client *free_slot(struct tmx_control *c)
{
    for (size_t i = 0; i < TMX_N(c->clients); i++) {
        if (c->clients[i].stage == FREE) {
            return &c->clients[i];
        }
    }
    return NULL;
}

static void enter(struct tmx_control *c, struct client *k, enum stage stage)
{
    k->stage = stage;
    k->due_ms = c->now_ms + TMX_CONTROL_CLIENT_MS;
}

static void accept_clients(struct tmx_control *c)
{
    struct client *k = free_slot(c);
    while (k != NULL) {
        int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            return; /* none waiting, or one that left, or no descriptor now: the next step tries again */
        }
        struct ucred peer;
        socklen_t size = sizeof(peer);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
            close(fd);
            continue;
        }
        k->fd = fd;
        k->id = ++c->last_id;
        k->request = (struct tmx_control_request){ .client = k->id, .uid = peer.uid, .gid = peer.gid, .pid = peer.pid };
        enter(c, k, READING);
        k = free_slot(c);
    }
}

static void set_out(struct tmx_control *c, struct client *k, char *out, size_t size)
{
    if (out == NULL) {
        out = strdup("{\"error\":\"the answer could not be made, or is too large\",\"code\":\"internal\"}");
        size = out != NULL ? strlen(out) : 0;
    }
    free(k->in);
    k->in = NULL;
    k->out = out;
    k->out_size = size;
    enter(c, k, WRITING);
}

/* The document, and after it the payload if it has one. */
static void set_reply(struct tmx_control *c, struct client *k, json_t *reply, const struct tmx_bytes *payload)
{
    char *text = reply != NULL ? json_dumps(reply, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    size_t size = text != NULL ? strlen(text) : 0;
    size_t all = payload == NULL ? size : size + 1 + payload->size;
    if (size == 0 || all > TMX_CONTROL_REPLY_MAX) {
        free(text);
        text = NULL;
    } else if (payload != NULL) {
        char *whole = realloc(text, all);
        if (whole == NULL) {
            free(text);
        } else {
            struct tmx_writer w = tmx_writer_init(whole + size, all - size);
            tmx_write_u8(&w, '\n');
            tmx_write_bytes(&w, *payload);
        }
        text = whole;
    }
    json_decref(reply);
    set_out(c, k, text, all);
}

static void refuse(struct tmx_control *c, struct client *k, const char *code, const char *text)
{
    set_reply(c, k, json_pack("{ss ss}", "error", text, "code", code), NULL);
}

/* ---- requests ---- */

static int hex_digit(char d)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *at = d != '\0' ? strchr(digits, d) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* In place: %XX becomes its byte. False: empty, a byte that is never sent plain, or %00. */
static bool decode_word(char *word)
{
    char *to = word;
    for (const char *from = word; *from != '\0'; from++) {
        char byte = *from;
        if ((unsigned char)byte <= 0x20 || byte == 0x7f) {
            return false;
        }
        if (byte == '%') {
            int high = hex_digit(from[1]);
            int low = high >= 0 ? hex_digit(from[2]) : -1;
            byte = (char)(high * 16 + low);
            if (low < 0 || byte == '\0') {
                return false;
            }
            from += 2;
        }
        *to++ = byte;
    }
    *to = '\0';
    return to > word;
}

/* The line becomes words, in place; `line` ends in NUL. */
static bool split_words(char *line, struct tmx_control_request *r)
{
    char *word = line;
    while (word != NULL) {
        char *space = strchr(word, ' ');
        if (space != NULL) {
            *space++ = '\0';
        }
        if (r->n_words == TMX_N(r->words) || !decode_word(word)) {
            return false;
        }
        r->words[r->n_words++] = word;
        word = space;
    }
    return true;
}

static void complete_request(struct tmx_control *c, struct client *k)
{
    uint8_t *lf = k->in_used > 0 ? memchr(k->in, '\n', k->in_used) : NULL;
    if (lf == NULL || memchr(k->in, '\0', (size_t)(lf - k->in)) != NULL) {
        refuse(c, k, "bad-request", "the request is not a line");
        return;
    }
    *lf = '\0';
    k->request.attachment = TMX_BYTES(lf + 1, k->in_used - (size_t)(lf + 1 - k->in));
    if (!split_words((char *)k->in, &k->request)) {
        refuse(c, k, "bad-request", "the request is not one to eight words separated by single spaces");
        return;
    }
    enter(c, k, ASKED);
}

/* Room for more of the request; false when it is too large already. */
static bool grow(struct client *k)
{
    if (k->in_used < k->in_size) {
        return true;
    }
    size_t size = k->in_size == 0 ? TMX_CONTROL_LINE_MAX : k->in_size * 2;
    size = size < REQUEST_MAX ? size : REQUEST_MAX;
    uint8_t *in = size > k->in_size ? realloc(k->in, size) : NULL;
    if (in == NULL) {
        return false;
    }
    k->in = in;
    k->in_size = size;
    return true;
}

static bool line_too_long(const struct client *k)
{
    return k->in_used >= TMX_CONTROL_LINE_MAX && memchr(k->in, '\n', TMX_CONTROL_LINE_MAX) == NULL;
}

static void read_request(struct tmx_control *c, struct client *k)
{
    while (k->stage == READING) {
        if (line_too_long(k) || !grow(k)) {
            refuse(c, k, "too-large", "the request is too large");
            return;
        }
        ssize_t n = read(k->fd, k->in + k->in_used, k->in_size - k->in_used);
        if (n > 0) {
            k->in_used += (size_t)n;
        } else if (n == 0) {
            complete_request(c, k);
        } else if (errno != EINTR) {
            if (errno != EAGAIN) {
                drop(k);
            }
            return;
        }
    }
}

static void write_reply(struct client *k)
{
    while (k->out_sent < k->out_size) {
        ssize_t n = send(k->fd, k->out + k->out_sent, k->out_size - k->out_sent, MSG_NOSIGNAL);
        if (n >= 0) {
            k->out_sent += (size_t)n;
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            break;
        }
    }
    drop(k);
}

/* ---- for the daemon's loop ---- */

size_t tmx_control_fds(const struct tmx_control *c, struct tmx_control_fd ret_fds[TMX_CONTROL_FDS_MAX])
{
    size_t n = 0;
    bool full = true;
    for (size_t i = 0; i < TMX_N(c->clients); i++) {
        const struct client *k = &c->clients[i];
        full = full && k->stage != FREE;
        if (k->stage == READING || k->stage == WRITING) {
            ret_fds[n++] = (struct tmx_control_fd){ .fd = k->fd, .want_write = k->stage == WRITING };
        }
    }
    if (!full) {
        ret_fds[n++] = (struct tmx_control_fd){ .fd = c->fd };
    }
    return n;
}

uint64_t tmx_control_due(const struct tmx_control *c)
{
    uint64_t due = UINT64_MAX;
    for (size_t i = 0; i < TMX_N(c->clients); i++) {
        const struct client *k = &c->clients[i];
        if (k->stage == ASKED) {
            return c->now_ms; /* nothing more will come from it: whoever waits would wait in vain */
        }
        due = k->stage != FREE && k->due_ms < due ? k->due_ms : due;
    }
    return due;
}

void tmx_control_step(struct tmx_control *c, uint64_t now_ms)
{
    c->now_ms = now_ms;
    accept_clients(c);
    for (size_t i = 0; i < TMX_N(c->clients); i++) {
        struct client *k = &c->clients[i];
        if (k->stage == READING) {
            read_request(c, k);
        }
        if (k->stage == WRITING) {
            write_reply(k);
        }
        if (k->stage != FREE && k->due_ms <= now_ms) {
            drop(k);
        }
    }
}

bool tmx_control_next(struct tmx_control *c, struct tmx_control_request *ret_request)
{
    struct client *first = NULL;
    for (size_t i = 0; i < TMX_N(c->clients); i++) {
        struct client *k = &c->clients[i];
        if (k->stage == ASKED && (first == NULL || k->id < first->id)) {
            first = k;
        }
    }
    if (first == NULL) {
        return false;
    }
    enter(c, first, HANDED);
    *ret_request = first->request;
    return true;
}

static void reply_to(struct tmx_control *c, uint64_t client, json_t *reply, const struct tmx_bytes *payload)
{
    for (size_t i = 0; i < TMX_N(c->clients); i++) {
        struct client *k = &c->clients[i];
        if (k->stage == HANDED && k->id == client) {
            set_reply(c, k, reply, payload);
            write_reply(k);
            return;
        }
    }
    json_decref(reply);
}

void tmx_control_reply(struct tmx_control *c, uint64_t client, json_t *reply)
{
    reply_to(c, client, reply, NULL);
}

void tmx_control_reply_with(struct tmx_control *c, uint64_t client, json_t *reply, struct tmx_bytes payload)
{
    if (reply != NULL && json_object_set_new(reply, "payload", json_integer((json_int_t)payload.size)) != 0) {
        json_decref(reply);
        reply = NULL;
    }
    reply_to(c, client, reply, &payload);
}

void tmx_control_refuse(struct tmx_control *c, uint64_t client, const char *code, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    tmx_control_reply(c, client, json_pack("{ss ss}", "error", text, "code", code));
}

int tmx_control_snapshot(const char *path, const json_t *document)
{
    char fresh[4096];
    if ((size_t)snprintf(fresh, sizeof(fresh), "%s.new", path) >= sizeof(fresh)) {
        return -ENAMETOOLONG;
    }
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        return -errno;
    }
    /* No fsync: after a crash of the machine the file may be empty, which readers take for none. */
    char *text = json_dumps(document, JSON_INDENT(2) | JSON_REAL_PRECISION(6));   /* json_dumpfd writes byte by byte */
    size_t size = text == NULL ? 0 : strlen(text);
    ssize_t written = text == NULL ? -1 : write(fd, text, size);
    int r = text == NULL ? -ENOMEM : written < 0 ? -errno : (size_t)written != size ? -EIO : 0;
    free(text);
    if (close(fd) < 0 && r == 0) {
        r = -errno;
    }
    if (r == 0 && rename(fresh, path) < 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)unlink(fresh);
    }
    return r;
}
