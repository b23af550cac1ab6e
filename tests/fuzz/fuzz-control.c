/* SPDX-License-Identifier: Apache-2.0
 * What operators and auditors ask of a broker over its control socket: any bytes, in two pieces, through the real socket
 * to the daemon's answers. Whatever was asked, the answer is one whole JSON object (and its payload), and the daemon goes on.
 *
 * Input: u8 where to cut, then the request.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../broker/daemon.h"
#include "fake_member.h"
#include "fuzz.h"

#define START_MS 1790000000000ull

static struct daemon d;
static struct federation federation;
static char path[64];

/* The spool of this broker is in memory. */
void __wrap_tmx_spool_lmdb_mark(struct tmx_spool *s, struct tmx_spool_mark *ret_mark);
void __wrap_tmx_spool_lmdb_mark(struct tmx_spool *s, struct tmx_spool_mark *ret_mark)
{
    *ret_mark = (struct tmx_spool_mark){ .generation = 1 };
}

static void tidy(void)
{
    (void)unlink(path);
}

static void turn(const char *member, const struct fake_node *n, const struct fake_frames *frames)
{
    struct tmx_broker_output out;
    struct tmx_broker_event ev = { .kind = TMX_BROKER_MESSAGE,
                                   .mono_ms = 2000,
                                   .wall_us = START_MS * 1000,
                                   .member = tmx_bytes_str(member),
                                   .route = TMX_BYTES(&n->route, 1),
                                   .n_frames = frames->n,
                                   .frames = frames->frame };
    int r = tmx_broker_turn(d.broker, &ev, 1, &out);
    assert(r == 0);
}

/* A broker that has accepted something, once. The frames need no session that lasts: it is at number 1 of the first. */
static void prepare(void)
{
    static const char *const codes[] = { "CH", "DE", "IT" };
    static struct fake_node de, it;
    static struct fake_message message;
    struct fake_frames frames;
    if (d.control != NULL) {
        return;
    }
    federation_init(&federation, codes, TMX_N(codes), START_MS - 1000);
    struct tmx_broker_config c = { .shard = federation.shard,
                                   .log_secret = federation.log_secret,
                                   .authority = federation.authority,
                                   .generation = 1,
                                   .queue_max = 1000,
                                   .directory = federation_file(&federation) };
    memcpy(c.log_public, federation.log_public, sizeof(c.log_public));
    int r = tmx_spool_ram_new(&d.spool);
    r = r == 0 ? tmx_broker_new(d.spool, &c, 1000, START_MS * 1000, &d.broker) : r;
    r = r == 0 ? tmx_series_new(&d.series) : r;
    assert(r == 0);
    fake_init(&de, &federation, "DE");
    fake_init(&it, &federation, "IT");
    de.wall_ms = it.wall_ms = START_MS;
    fake_hello(&it, &frames);
    turn("IT", &it, &frames);
    struct tmx_broker_link_view v;
    r = tmx_broker_link(d.broker, TMX_LIT("IT"), &v);
    it.session = v.session;
    fake_publish(&it, START_MS, &frames);
    turn("IT", &it, &frames);
    fake_hello(&de, &frames);
    turn("DE", &de, &frames);
    r = r == 0 ? tmx_broker_link(d.broker, TMX_LIT("DE"), &v) : r;
    assert(r == 0);
    de.session = v.session;
    fake_compose(&de, (struct fake_node *[]){ &it }, 1, "CD001C", START_MS, 100, &message);
    memset(message.id, 0x77, sizeof(message.id));
    message.id[8] = 0x99;   /* 77777777777777779977777777777777: seeds name it */
    fake_submit(&de, &message, &frames);
    turn("DE", &de, &frames);
    r = tmx_broker_link(d.broker, TMX_LIT("IT"), &v);
    assert(r == 0 && v.destination.queued == 1);
    pace_take(&d);
    d.settings.path = "tmx-broker.conf";
    snprintf(path, sizeof(path), "/tmp/tmx-fuzz-control-%d", (int)getpid());
    atexit(tidy);
    r = tmx_control_new(path, &d.control);
    assert(r == 0);
}

static int connect_to(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert(fd >= 0);
    int r = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    assert(r == 0);
    return fd;
}

static void say(int fd, struct tmx_bytes b, uint64_t *now_ms)
{
    while (b.size > 0) {
        ssize_t n = send(fd, b.data, b.size, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            return;   /* the daemon had enough of it */
        }
        size_t sent = n < 0 ? 0 : (size_t)n;
        b = tmx_bytes_slice(b, sent, b.size - sent);
        tmx_control_step(d.control, ++*now_ms);
    }
}

/* Steps the daemon until the client is served. */
static void serve(int fd, uint64_t *now_ms)
{
    static char answer[TMX_CONTROL_REPLY_MAX + 1];
    struct tmx_control_request request;
    size_t used = 0;
    ssize_t n = -1;
    for (unsigned i = 0; i < 10000 && n != 0; i++) {
        tmx_control_step(d.control, ++*now_ms);
        while (tmx_control_next(d.control, &request)) {
            assert(request.n_words >= 1 && request.n_words <= TMX_CONTROL_WORDS_MAX);
            control_answer(&d, &request);
            if (d.witness.asked) {
                struct tmx_broker_event ev = { .kind = TMX_BROKER_WITNESS, .mono_ms = 2000,
                                               .wall_us = START_MS * 1000,
                                               .witness = TMX_BYTES(d.witness.name, d.witness.name_size),
                                               .body = TMX_BYTES(d.witness.body, d.witness.body_size),
                                               .status = d.witness.status };
                struct tmx_broker_output out;
                int r = tmx_broker_turn(d.broker, &ev, 1, &out);
                assert(r == 0);
                control_witness_done(&d, out.witness_result);
            }
            if (d.install.file != NULL) {   /* as the turn that follows would */
                struct tmx_broker_event ev = { .kind = TMX_BROKER_DIRECTORY, .mono_ms = 2000,
                                               .wall_us = START_MS * 1000,
                                               .file = TMX_BYTES(d.install.file, d.install.size) };
                struct tmx_broker_output out;
                int r = tmx_broker_turn(d.broker, &ev, 1, &out);
                assert(r == 0);
                tmx_install_done(&d.install, d.control, out.directory_result, tmx_broker_directory(d.broker));
            }
            if (d.anchor.token.size > 0) {
                struct tmx_broker_event ev = { .kind = TMX_BROKER_ANCHOR, .mono_ms = 2000,
                                               .wall_us = START_MS * 1000,
                                               .file = d.anchor.token, .size = d.anchor.size };
                struct tmx_broker_output out;
                int r = tmx_broker_turn(d.broker, &ev, 1, &out);
                assert(r == 0);
                control_anchored(&d, out.anchor_result);
            }
        }
        n = recv(fd, answer + used, sizeof(answer) - used, 0);
        assert(n >= 0 || errno == EAGAIN || errno == ECONNRESET);
        if (n < 0 && errno == ECONNRESET) {
            return;
        }
        used += n > 0 ? (size_t)n : 0;
    }
    assert(n == 0);
    const char *lf = used > 0 ? memchr(answer, '\n', used) : NULL;
    size_t document = lf == NULL ? used : (size_t)(lf - answer);
    json_t *j = used > 0 ? json_loadb(answer, document, JSON_REJECT_DUPLICATES, NULL) : NULL;
    assert(used == 0 || json_is_object(j));
    assert(lf == NULL || json_integer_value(json_object_get(j, "payload")) == (json_int_t)(used - document - 1));
    json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t now_ms;
    struct tmx_reader r = tmx_reader_init(TMX_BYTES(data, size));
    size_t cut = tmx_read_u8(&r);
    prepare();
    cut = cut < r.left ? cut : r.left;
    int fd = connect_to();
    say(fd, tmx_read_bytes(&r, cut), &now_ms);
    say(fd, TMX_BYTES(r.at, r.left), &now_ms);
    int e = shutdown(fd, SHUT_WR);
    assert(e == 0 || errno == ENOTCONN);
    serve(fd, &now_ms);
    close(fd);
    tmx_control_step(d.control, ++now_ms);
    return 0;
}
