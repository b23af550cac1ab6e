/* SPDX-License-Identifier: Apache-2.0
 * The ZeroMQ transport (proto/README.md, section Transport); only its own files, lib/io/transport_zmq.h says which, know <zmq.h>.
 * One context, one thread; the ZAP handler is polled with everything else.
 *
 * The transport may lose anything at any time: whoever stands on it retransmits. It loses nothing as a matter of
 * course: a peer that is slow makes its sender wait (tmx/outbox.h).
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/limits.h>

struct tmx_transport;
struct tmx_socket;

struct tmx_curve {
    uint8_t public[32];
    uint8_t secret[32];
};

/* One admitted key. `member` comes back with each message of a peer that holds it. */
struct tmx_admit {
    uint8_t key[32];
    char member[TMX_MEMBER_MAX + 1];   /* or the application's name at a node */
};

struct tmx_message {
    uint8_t route[8];        /* ROUTER: opaque peer handle, to answer with; zero on DEALER */
    uint8_t route_size;
    char peer[65];           /* ROUTER with CURVE: name of the admitted key; "" on ipc and DEALER */
    size_t n_frames;         /* without the identity frame */
    struct tmx_bytes frames[TMX_FRAMES_MAX];   /* borrowed until the next receive on this socket */
};

/* Creates the context; with `server`, binds the ZAP handler first and proves with a self-test that an unknown
 * key is refused and a known one is named. -EPROTO when the self-test fails. */
int tmx_transport_new(bool server, struct tmx_transport **ret_transport) TMX_MUST_CHECK;
struct tmx_transport *tmx_transport_free(struct tmx_transport *t);

/* Bounds of what a socket receives. Sockets are of a link (TRA-4) unless they are made after this call: then of the
 * application interface, whose payloads travel whole. */
void tmx_transport_applications(struct tmx_transport *t, bool applications);

/* Replaces the admitted keys (of the CURVE server sockets of this process). Takes effect on new handshakes at
 * once, and on messages of established connections too: they are discarded unparsed. -EINVAL (see tmx/zap.h)
 * leaves the former set in force. */
int tmx_transport_admit(struct tmx_transport *t, const struct tmx_admit *admits, size_t n) TMX_MUST_CHECK;

/* ROUTER. curve == NULL only for ipc:// (mode 0660 is set on the socket file). -EINVAL for other schemes and for
 * keys tmx/zap.h refuses, -EADDRINUSE … from bind. Peers set no routing id: messages of those that do are unnamed. */
int tmx_socket_serve(struct tmx_transport *t, const char *endpoint, const struct tmx_curve *curve,
                     struct tmx_socket **ret_socket) TMX_MUST_CHECK;
/* DEALER. curve == NULL only for ipc://; else own keys and the server's public key. */
int tmx_socket_connect(struct tmx_transport *t, const char *endpoint, const struct tmx_curve *curve,
                       const uint8_t server_key[32], struct tmx_socket **ret_socket) TMX_MUST_CHECK;
/* ZeroMQ gives a connection up for good once the peer has refused its key (TMX_SOCKET_FAILED_KEY); this begins it anew, of a
 * socket of tmx_socket_connect. What was sent and is not gone is lost. */
int tmx_socket_again(struct tmx_socket *s) TMX_MUST_CHECK;
struct tmx_socket *tmx_socket_close(struct tmx_socket *s);
/* What was sent and is not gone yet may go for so long after the close, which makes tmx_transport_free wait; without this
 * call it is dropped. */
void tmx_socket_linger(struct tmx_socket *s, unsigned ms);
/* The bound endpoint of a server (a port of `*` filled in), the given one of a client. */
const char *tmx_socket_endpoint(const struct tmx_socket *s);

enum tmx_socket_condition {
    TMX_SOCKET_OK,
    TMX_SOCKET_E_AGAIN = 1,   /* nothing to receive; or the peer takes no more now: send it later */
    TMX_SOCKET_E_GONE = 2,    /* ROUTER: nobody is behind this route (any more): what was sent is lost */
};
/* Never blocks. Messages of peers without a valid token, with too many frames or too many bytes are counted and
 * skipped (see tmx_transport_counters). */
int tmx_socket_receive(struct tmx_socket *s, struct tmx_message *ret_message) TMX_MUST_CHECK;
/* Copies the frames. On a ROUTER `route` is the message's; on a DEALER NULL. */
int tmx_socket_send(struct tmx_socket *s, const struct tmx_message *to, const struct tmx_bytes *frames, size_t n)
    TMX_MUST_CHECK;

/* Waits until a socket or one of the descriptors is readable (or writable where asked), at most timeout_ms (-1:
 * for ever), and answers ZAP requests: with those, or on EINTR, it returns early with nothing ready. An entry with
 * neither socket nor fd (-1) is passed over; `ready` is also set for errors and hang-ups of an fd.
 * At most TMX_POLL_MAX entries. */
struct tmx_poll {
    struct tmx_socket *socket;   /* or NULL and */
    int fd;
    bool want_write;
    bool ready;                  /* out */
    bool writable;               /* out */
};
int tmx_transport_poll(struct tmx_transport *t, struct tmx_poll *items, size_t n, int timeout_ms) TMX_MUST_CHECK;

#define TMX_ADDRESS_MAX 63u

/* A handshake that was refused. Both are what a stranger shows of itself; the key is a public one. */
struct tmx_transport_refusal {
    char address[TMX_ADDRESS_MAX + 1];   /* of the peer, without port; "" = none was refused yet */
    uint8_t key[32];                     /* zero: it showed none */
};

struct tmx_transport_counters {
    uint64_t zap_accepted, zap_refused;
    uint64_t unnamed;           /* discarded: no valid User-Id, or a routing id of the peer's choosing */
    uint64_t oversize;          /* discarded: control frame or sum of frames too large */
    uint64_t too_many_frames;   /* discarded */
    uint64_t send_again;        /* not sent: peer gone, unknown or slow (each try counts) */
    uint64_t connections;       /* TCP connections that came */
    uint64_t handshakes_failed; /* of them: garbage, no CURVE, another server key, or closed in between; not zap_refused */
    struct tmx_transport_refusal refused;   /* the last of zap_refused */
};
const struct tmx_transport_counters *tmx_transport_counters(const struct tmx_transport *t);

/* The version of the library behind it. */
void tmx_transport_library(char *ret_version, size_t size);
/* What became of the connections of a socket with CURVE, as ZeroMQ tells: for whoever asks why there is no link. Told at each
 * tmx_transport_poll with that socket, which a client's news end. Times are monotonic; 0 = never. */
enum tmx_socket_failure {
    TMX_SOCKET_FINE,               /* none since the last handshake that succeeded */
    TMX_SOCKET_FAILED_CONNECT,     /* no TCP connection: refused at once, or (took_ms: seconds) nothing answered */
    TMX_SOCKET_FAILED_CLOSED,      /* the peer closed in the middle of the handshake, or said nothing */
    TMX_SOCKET_FAILED_MECHANISM,   /* the peer does not speak CURVE */
    TMX_SOCKET_FAILED_PROTOCOL,    /* the peer speaks something else, or proves another key */
    TMX_SOCKET_FAILED_KEY,         /* the peer does not admit this key */
};
struct tmx_socket_story {
    uint64_t attempts;             /* of a client to connect */
    uint64_t connected, connected_ms;   /* TCP connections; when the last one was made */
    uint64_t secured;              /* of them: handshakes that succeeded */
    enum tmx_socket_failure failure;    /* the last one … */
    uint64_t failures;             /* … of so many in a row … */
    uint64_t failed_ms, took_ms;   /* … at that time, and how long that attempt took */
    uint64_t begun_ms;             /* of the attempt that goes on; 0 = none does */
};
const struct tmx_socket_story *tmx_socket_story(const struct tmx_socket *s);

/* CURVE keys. */
void tmx_curve_generate(struct tmx_curve *ret_curve);
void tmx_curve_public(const uint8_t secret[32], uint8_t ret_public[32]);
