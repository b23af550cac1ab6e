/* SPDX-License-Identifier: Apache-2.0
 * tmx-gate: one network endpoint of the broker. Descriptor 3 is a socket to the core, which says what to serve
 * (tmx/gateframe.h); messages pass both ways until the core closes it. No store, no signing key; may be killed at
 * any time, and kills itself by its memory cap when a peer sends a message without end, which libzmq cannot refuse.
 */
#include <argp.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include <tmx/gate_stream.h>

#define CORE_FD 3
#define CONFIG_MS 10000
#define COUNTERS_MS 5000
#define STUCK_LOOK_MS 5   /* ZeroMQ says of a ROUTER that it takes more, not whose pipe does */
#define TURN_MESSAGES_MAX 64u
#define EXIT_USAGE 2

struct gate {
    struct tmx_gate_stream core;
    struct tmx_transport *transport;
    struct tmx_socket *socket;
    const char *step;                    /* what is being done, for the text of a failure */
    struct tmx_message held;             /* received, waiting for room towards the core */
    bool holding;
    struct tmx_message stuck;            /* of the core, waiting for room towards the peer; in the core's buffer */
    int64_t stuck_ms;                    /* since when; 0: nothing is stuck */
    struct tmx_transport_counters told;  /* last told to the core */
    int64_t told_ms;
};

static int64_t now_ms(void)
{
    struct timespec ts;
    int r = clock_gettime(CLOCK_MONOTONIC, &ts);
    assert(r == 0);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Limits the writable memory, private mappings and heap together. At the limit libzmq drops the connection whose part
 * it cannot hold, or aborts where it cannot bear a refusal: at once, without a timer, whatever the threads are doing.
 * RLIMIT_AS would count what malloc only reserves. Sanitizers map terabytes: with them the limit cannot be had. */
static int limit_memory(uint64_t bytes)
{
#if TMX_SANITIZED
    (void)bytes;
    return 0;
#else
    const struct rlimit limit = { .rlim_cur = bytes, .rlim_max = bytes };
    return setrlimit(RLIMIT_DATA, &limit) == 0 ? 0 : -errno;
#endif
}

/* A gate outlives its core in no case: not even when its main thread is stuck and cannot see the socket close, since
 * the port would stay taken. It has nothing to flush. */
static int harden(uint64_t memory_max_bytes)
{
    const struct rlimit no_core = { 0 };
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &no_core) != 0) {
        return -errno;
    }
    return limit_memory(memory_max_bytes);
}

/* Waits for the core's first frame. E_ENDED: it closed, said something else, or nothing in time. */
static int read_config(struct gate *g, struct tmx_gate_config *ret_config)
{
    enum tmx_gate_kind kind;
    struct tmx_bytes body;
    int64_t end = now_ms() + CONFIG_MS;
    int r = TMX_GATE_STREAM_E_AGAIN;
    while (r == TMX_GATE_STREAM_E_AGAIN && now_ms() < end) {
        struct pollfd wait = { .fd = CORE_FD, .events = POLLIN };
        if (poll(&wait, 1, CONFIG_MS) < 0 && errno != EINTR) {
            return -errno;
        }
        r = tmx_gate_stream_fill(&g->core);
        if (r == 0) {
            r = tmx_gate_stream_next(&g->core, &kind, &body);
        }
    }
    if (r < 0) {
        return r;
    }
    bool good = r == 0 && kind == TMX_GATE_CONFIG && tmx_gate_get_config(body, ret_config);
    if (r == 0) {
        sodium_memzero(g->core.in.data, g->core.in.at);
    }
    return good ? 0 : TMX_GATE_STREAM_E_ENDED;
}

/* Self-test, keys, port: in this order. */
static int serve(struct gate *g, const struct tmx_gate_config *config)
{
    struct tmx_curve curve;
    memcpy(curve.secret, config->secret, sizeof(curve.secret));
    tmx_curve_public(curve.secret, curve.public);
    g->step = "self-test of the admission";
    int r = tmx_transport_new(true, &g->transport);
    if (r == 0) {
        g->step = "admitted keys";
        r = tmx_transport_admit(g->transport, config->admits, config->n_admits);
    }
    if (r == 0) {
        g->step = "bind";
        r = tmx_socket_serve(g->transport, config->endpoint, &curve, &g->socket);
    }
    sodium_memzero(&curve, sizeof(curve));
    return r;
}

static int say_ready(struct gate *g)
{
    struct tmx_writer w = tmx_gate_stream_writer(&g->core);
    tmx_gate_put_ready(&w);
    return tmx_gate_stream_commit(&g->core, &w) ? tmx_gate_stream_flush(&g->core) : -EMSGSIZE;
}

/* To the core, which logs it; to stderr when that cannot be. */
static void say_failed(struct gate *g, int error)
{
    char text[256];
    snprintf(text, sizeof(text), "%s: %s", g->step, strerror(-error));
    bool said = false;
    if (g->core.out.data != NULL) {
        struct tmx_writer w = tmx_gate_stream_writer(&g->core);
        tmx_gate_put_failed(&w, tmx_bytes_str(text));
        said = tmx_gate_stream_commit(&g->core, &w) && tmx_gate_stream_flush(&g->core) == 0;
    }
    if (!said) {
        fprintf(stderr, "tmx-gate: %s\n", text);
    }
}

static int take_admit(struct gate *g, struct tmx_bytes body)
{
    static struct tmx_admit admits[TMX_MEMBERS_MAX * TMX_KEYS_PER_MEMBER_MAX];
    size_t n;
    if (!tmx_gate_get_admit(body, admits, TMX_N(admits), &n)) {
        return -EPROTO;
    }
    return tmx_transport_admit(g->transport, admits, n);
}

/* What the peer's pipe does not take waits, and nothing more is read from the core until it has gone; a peer that takes
 * nothing for long loses it, and sees by the numbers that it did. */
static int pass_on(struct gate *g)
{
    int r = tmx_socket_send(g->socket, &g->stuck, g->stuck.frames, g->stuck.n_frames);
    bool wait = r == TMX_SOCKET_E_AGAIN && (g->stuck_ms == 0 || now_ms() - g->stuck_ms < TMX_GATE_STUCK_MS);
    if (wait) {
        g->stuck_ms = g->stuck_ms == 0 ? now_ms() : g->stuck_ms;
        return TMX_SOCKET_E_AGAIN;
    }
    g->stuck_ms = 0;
    return r < 0 ? r : 0;
}

static int take_message(struct gate *g, struct tmx_bytes body)
{
    return tmx_gate_get_message(body, &g->stuck) ? pass_on(g) : -EPROTO;
}

static int take(struct gate *g, enum tmx_gate_kind kind, struct tmx_bytes body)
{
    switch (kind) {
    case TMX_GATE_ADMIT:
        return take_admit(g, body);
    case TMX_GATE_MESSAGE:
        return take_message(g, body);
    case TMX_GATE_CONFIG:
    case TMX_GATE_READY:
    case TMX_GATE_FAILED:
    case TMX_GATE_COUNTERS:
        break;
    }
    return -EPROTO;
}

/* Does what the frames that were read say. E_AGAIN: all done. */
static int obey(struct gate *g)
{
    int r = 0;
    while (r == 0) {
        enum tmx_gate_kind kind;
        struct tmx_bytes body;
        r = tmx_gate_stream_next(&g->core, &kind, &body);
        if (r == 0) {
            r = take(g, kind, body);
        }
    }
    return r;
}

static int from_core(struct gate *g, bool readable)
{
    int r = g->stuck_ms != 0 ? pass_on(g) : 0;
    if (r == 0) {
        r = obey(g);
    }
    if (r == TMX_GATE_STREAM_E_AGAIN && g->stuck_ms == 0 && readable) {
        r = tmx_gate_stream_fill(&g->core);
        r = r == 0 ? obey(g) : r;
    }
    return r == TMX_GATE_STREAM_E_AGAIN ? 0 : r;
}

static int put_held(struct gate *g)
{
    struct tmx_writer w = tmx_gate_stream_writer(&g->core);
    tmx_gate_put_message(&w, &g->held);
    g->holding = false;
    return tmx_gate_stream_commit(&g->core, &w) ? 0 : -EMSGSIZE;
}

/* Receives while there is room towards the core; what finds none is held, and nothing more is received until it is
 * gone: TCP pushes back. */
static int to_core(struct gate *g)
{
    int r = 0;
    for (size_t i = 0; i < TURN_MESSAGES_MAX && r == 0; i++) {
        if (!g->holding) {
            r = tmx_socket_receive(g->socket, &g->held);
            g->holding = r == 0;
        }
        if (g->holding) {
            bool room = tmx_gate_stream_fits(&g->core, tmx_gate_message_size(&g->held));
            r = room ? put_held(g) : TMX_SOCKET_E_AGAIN;
        }
    }
    return r == TMX_SOCKET_E_AGAIN ? 0 : r;
}

static void tell_counters(struct gate *g)
{
    const struct tmx_transport_counters *now = tmx_transport_counters(g->transport);
    if (now_ms() - g->told_ms < COUNTERS_MS || memcmp(now, &g->told, sizeof(*now)) == 0) {
        return;
    }
    struct tmx_writer w = tmx_gate_stream_writer(&g->core);
    tmx_gate_put_counters(&w, now);
    if (tmx_gate_stream_commit(&g->core, &w)) {
        g->told = *now;
        g->told_ms = now_ms();
    }
}

/* Until the core closes (E_ENDED) or something breaks. */
static int run(struct gate *g)
{
    int r = 0;
    while (r == 0) {
        bool pending = tmx_gate_stream_pending(&g->core);
        bool stuck = g->stuck_ms != 0;
        struct tmx_poll items[] = { { .socket = g->holding ? NULL : g->socket, .fd = -1 },
                                    { .fd = stuck && !pending ? -1 : CORE_FD, .want_write = pending } };
        r = tmx_transport_poll(g->transport, items, TMX_N(items), stuck ? STUCK_LOOK_MS : COUNTERS_MS);
        if (r == 0 && (items[1].ready || stuck)) {
            r = from_core(g, items[1].ready);
        }
        if (r == 0 && (items[0].ready || g->holding)) {
            r = to_core(g);
        }
        if (r == 0) {
            tell_counters(g);
            r = tmx_gate_stream_flush(&g->core);
            r = r == TMX_GATE_STREAM_E_AGAIN ? 0 : r;
        }
    }
    return r;
}

static int gate(struct gate *g)
{
    static struct tmx_gate_config config;
    g->step = "configuration";
    int r = tmx_gate_stream_init(&g->core, CORE_FD);
    if (r == 0) {
        (void)!sodium_mlock(config.secret, sizeof(config.secret));   /* the core, under the same limit, says when it cannot be */
        r = read_config(g, &config);
    }
    if (r == 0) {
        r = serve(g, &config);
    }
    (void)!sodium_munlock(config.secret, sizeof(config.secret));
    if (r == 0) {
        g->step = "serving";
        r = say_ready(g);
    }
    /* The core may have said more together with the configuration. */
    if (r == 0 || r == TMX_GATE_STREAM_E_AGAIN) {
        r = obey(g);
    }
    return r == TMX_GATE_STREAM_E_AGAIN ? run(g) : r;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    uint64_t *memory_max_bytes = state->input;
    if (key == ARGP_KEY_ARG) {
        argp_usage(state);
    }
    if (key != 'm') {
        return ARGP_ERR_UNKNOWN;
    }
    char *end;
    errno = 0;
    *memory_max_bytes = strtoull(arg, &end, 10);
    if (errno != 0 || *end != '\0' || arg[0] < '0' || arg[0] > '9') {
        argp_error(state, "--memory-max: %s is not a number of bytes", arg);
    }
    return 0;
}

/* argp looks it up in the program. */
__attribute__((visibility("default"))) const char *argp_program_version = "tmx-gate " TMX_VERSION;

int main(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { "memory-max", 'm', "BYTES", 0, "Cap of writable memory (default: 268435456)", 0 },
        { 0 },
    };
    static const struct argp argp = { options, parse_option, NULL,
                                      "Serves one network endpoint of the broker. tmx-broker starts it, with a socket "
                                      "as descriptor 3.", NULL, NULL, NULL };
    uint64_t memory_max_bytes = TMX_GATE_MEMORY_DEFAULT;
    argp_parse(&argp, argc, argv, 0, NULL, &memory_max_bytes);
    struct stat st;
    if (fstat(CORE_FD, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        fprintf(stderr, "tmx-gate: descriptor 3 is not a socket: tmx-broker starts this program\n");
        return EXIT_USAGE;
    }
    static struct gate g = { .step = "hardening" };
    int r = harden(memory_max_bytes);
    if (r == 0) {
        r = gate(&g);
    }
    if (r < 0) {
        say_failed(&g, r);
    }
    g.socket = tmx_socket_close(g.socket);
    g.transport = tmx_transport_free(g.transport);
    tmx_gate_stream_deinit(&g.core);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
