/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <string.h>

#include <tmx/http.h>
#include <tmx/text.h>

#include "http_address.h"

#define PORT_MAX 65535u
#define HOST_MAX 64u

/* The host and the port of HOST, HOST:PORT or [HOST]:PORT; *ret_port 0: none. */
static bool split(const char *text, char ret_host[HOST_MAX], bool *ret_six, uint64_t *ret_port)
{
    bool six = text[0] == '[';
    const char *host = text + six;
    size_t n = strcspn(host, six ? "]" : ":");
    if (n == 0 || n >= HOST_MAX || (six && host[n] != ']')) {
        return false;
    }
    memcpy(ret_host, host, n);
    ret_host[n] = '\0';
    const char *rest = host + n + six;
    *ret_six = six;
    *ret_port = 0;
    return *rest == '\0' ||
           (*rest == ':' && tmx_parse_u64(tmx_bytes_str(rest + 1), PORT_MAX, ret_port) && *ret_port != 0);
}

static bool loopback(const char *host, bool six, struct sockaddr_storage *ret_address, socklen_t *ret_size)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    memset(ret_address, 0, sizeof(*ret_address));
    if (six) {
        memcpy(ret_address, &v6, *ret_size = sizeof(v6));
        struct sockaddr_in6 *a = (struct sockaddr_in6 *)ret_address;
        return inet_pton(AF_INET6, host, &a->sin6_addr) == 1 && IN6_IS_ADDR_LOOPBACK(&a->sin6_addr);
    }
    memcpy(ret_address, &v4, *ret_size = sizeof(v4));
    struct sockaddr_in *a = (struct sockaddr_in *)ret_address;
    return inet_pton(AF_INET, host, &a->sin_addr) == 1 && ntohl(a->sin_addr.s_addr) >> 24 == 127;
}

bool http_address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_size)
{
    char host[HOST_MAX];
    bool six;
    uint64_t port;
    struct sockaddr_storage a;
    socklen_t size;
    if (!split(text, host, &six, &port) || port == 0 || !loopback(host, six, &a, &size)) {
        return false;
    }
    in_port_t p = htons((uint16_t)port);
    memcpy((char *)&a + (six ? offsetof(struct sockaddr_in6, sin6_port) : offsetof(struct sockaddr_in, sin_port)), &p,
           sizeof(p));
    *ret_address = a;
    *ret_size = size;
    return true;
}

bool http_host_ours(const char *host)
{
    char name[HOST_MAX];
    bool six;
    uint64_t port;
    struct sockaddr_storage a;
    socklen_t size;
    return host != NULL && split(host, name, &six, &port) &&
           (loopback(name, six, &a, &size) || (!six && strcasecmp(name, "localhost") == 0));
}

bool tmx_http_address_valid(const char *address)
{
    struct sockaddr_storage a;
    socklen_t size;
    return http_address_parse(address, &a, &size);
}
