/* SPDX-License-Identifier: Apache-2.0
 * Addresses that lead to this machine only: where the HTTP endpoint listens, and what requests may call it.
 */
#pragma once

#include <netinet/in.h>

#include <tmx/err.h>

/* "127.0.0.1:9570" or "[::1]:9570". False when it is not a loopback address with a port. */
bool http_address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_size) TMX_MUST_CHECK;

/* The value of a Host header names this machine by a loopback address or as localhost, with any port or none: through a
 * tunnel the port is another. A name that a foreign page has made point here is not among them. NULL: there was none. */
bool http_host_ours(const char *host) TMX_MUST_CHECK;
