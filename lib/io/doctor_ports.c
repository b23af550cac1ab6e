/* SPDX-License-Identifier: Apache-2.0
 * The doctor's check of the network: whether the daemon can listen where it is to, and reach what it connects to.
 */
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doctor_parts.h"

#define CONNECT_MS 2000

struct address {
    char host[256];
    const char *port;
};

/* "tcp://HOST:PORT", "tcp://[::1]:PORT"; the host may be a star. */
static bool parse(const char *endpoint, struct address *ret_address)
{
    static const char scheme[] = "tcp://";
    const char *host = endpoint + sizeof(scheme) - 1;
    const char *colon = strrchr(endpoint, ':');
    if (strncmp(endpoint, scheme, sizeof(scheme) - 1) != 0 || colon < host) {
        return false;
    }
    size_t size = (size_t)(colon - host);
    if (size >= 2 && host[0] == '[' && host[size - 1] == ']') {
        host++;
        size -= 2;
    }
    if (size == 0 || size >= sizeof(ret_address->host)) {
        return false;
    }
    memcpy(ret_address->host, host, size);
    ret_address->host[size] = '\0';
    ret_address->port = colon + 1;
    return true;
}

/* 0 or an errno: whether somebody takes a connection, in CONNECT_MS. */
static int try_connect(const struct addrinfo *at)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = fd < 0 ? errno : connect(fd, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    socklen_t size = sizeof(error);
    if (error == EINPROGRESS) {
        int n = poll(&p, 1, CONNECT_MS);
        if (n <= 0) {
            error = n == 0 ? ETIMEDOUT : errno;
        } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
            error = errno;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return error;
}

static int try_bind(const struct addrinfo *at)
{
    const int yes = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = fd < 0 ? errno : 0;
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));   /* as ZeroMQ does */
        error = bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, 1) == 0 ? 0 : errno;
        close(fd);
    }
    return error;
}

static void say_listen(const struct tmx_doctor_port *p, int error, struct tmx_findings *to)
{
    if (error == 0) {
        tmx_finding(to, TMX_FINDING_OK, "ports", NULL, "%s: %s can be listened on", p->name, p->endpoint);
        return;
    }
    tmx_finding(to, TMX_FINDING_CRITICAL, "ports",
                error == EADDRINUSE      ? "find out who has it (ss -ltnp), and end that"
                : error == EADDRNOTAVAIL ? "give this host the address, or have the endpoint in the directory changed (tmx-authority add-gate)"
                : error == EACCES        ? "choose a port above 1023"
                                         : "look at the network of this host (ip addr)",
                "%s: %s cannot be listened on: %s", p->name, p->endpoint, strerror(error));
}

static void say_connect(const struct tmx_doctor_port *p, int error, bool own, struct tmx_findings *to)
{
    const char *refused = own ? "look into the daemon's log why its gate does not run" : "ask the broker's operators whether the gate runs (tmxctl status)";
    if (error == 0) {
        tmx_finding(to, TMX_FINDING_OK, "ports", NULL, "%s: %s takes connections", p->name, p->endpoint);
        return;
    }
    tmx_finding(to, TMX_FINDING_CRITICAL, "ports",
                error == ECONNREFUSED ? refused
                : error == ETIMEDOUT  ? "open the firewalls between here and there for this port"
                                      : "look at the network and its routes (ip route)",
                "%s: %s takes no connection: %s", p->name, p->endpoint, error == ETIMEDOUT ? "no answer in 2 s" : strerror(error));
}

void doctor_ports(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    for (size_t i = 0; i < s->n_ports; i++) {
        const struct tmx_doctor_port *p = &s->ports[i];
        const bool bind_it = p->listens && s->pid == 0;   /* a running daemon has it: does it answer? */
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = bind_it ? AI_PASSIVE : 0 }, *found = NULL;
        struct address a;
        if (!parse(p->endpoint, &a)) {
            tmx_finding(to, TMX_FINDING_CRITICAL, "ports", "write tcp://ADDRESS:PORT", "%s: '%s' is no address and port", p->name, p->endpoint);
            continue;
        }
        int r = getaddrinfo(strcmp(a.host, "*") == 0 ? NULL : a.host, a.port, &hints, &found);
        if (r != 0) {
            tmx_finding(to, TMX_FINDING_CRITICAL, "ports", "look at the name service (getent hosts), or have an address put in its place",
                        "%s: %s: %s", p->name, p->endpoint, gai_strerror(r));
        } else if (bind_it) {
            say_listen(p, try_bind(found), to);
        } else {
            say_connect(p, try_connect(found), p->listens, to);
        }
        if (r == 0) {
            freeaddrinfo(found);
        }
    }
}
