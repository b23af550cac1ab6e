/* SPDX-License-Identifier: Apache-2.0
 * What a daemon needs of its host, looked at for `tmx-broker doctor` and `tmx-node doctor`: clock, entropy, limits, memory,
 * disk, ports, permissions, libraries, service. Nothing is changed but for a file without a name beside the spool.
 *
 * Each check runs in a process of its own and for a bounded time: a disk or a name service that hangs is a finding.
 */
#pragma once

#include <tmx/config.h>
#include <tmx/findings.h>
#include <tmx/limits.h>

#include <sys/types.h>

#define TMX_DOCTOR_CHECK_MS 3000u   /* one check */
#define TMX_DOCTOR_MS 10000u        /* all of them */

struct tmx_doctor_port {
    const char *name;       /* whose */
    const char *endpoint;   /* "tcp://HOST:PORT" */
    bool listens;           /* the daemon is to listen there; otherwise it connects */
};

/* That of the status page, when `http` of the section is set; the endpoint is written to ret_endpoint. */
bool tmx_doctor_http(const struct tmx_config *c, const char *section, char ret_endpoint[TMX_ENDPOINT_MAX + 1],
                     struct tmx_doctor_port *ret_port);

struct tmx_doctor_subject {
    const char *program;                  /* "tmx-broker" */
    const char *unit;                     /* "tmx-broker.service" */
    pid_t pid;                            /* of the daemon, 0: it does not run */
    const char *config;                   /* its file */
    const char *keys, *spool, *marker, *run;   /* NULL: not known */
    uint64_t capacity;                    /* of the spool */
    uint64_t files;                       /* descriptors it needs */
    uint64_t files_unit;                  /* and what its unit gives it */
    uint64_t issued_ms;                   /* of the directory: the clock is later; 0: not known */
    size_t n_ports;
    const struct tmx_doctor_port *ports;
};

/* What the configuration says: keys, spool, marker, run, capacity (as far as they are set); and whether the daemon runs, by
 * asking at its control socket for a second at the most. */
void tmx_doctor_describe(const struct tmx_config *c, const char *section, struct tmx_doctor_subject *s);

/* The subject of its findings is its name. */
struct tmx_doctor_check {
    const char *name;
    void (*look)(const struct tmx_doctor_subject *s, struct tmx_findings *to);
};

/* All there are, in the order of a reader. */
const struct tmx_doctor_check *tmx_doctor_checks(size_t *ret_n);
/* Runs them; each check for at most check_ms, all for at most all_ms. Does not fail: what cannot be looked at is a finding. */
void tmx_doctor_run(const struct tmx_doctor_check *checks, size_t n, const struct tmx_doctor_subject *s, uint64_t check_ms,
                    uint64_t all_ms, struct tmx_findings *to);
/* The command, once its subject is known: looks, prints text or one JSON document, and returns the exit status. `config` looks
 * at the daemon's configuration as --check does: how much of it is bad is the first finding. */
int tmx_doctor_command(const struct tmx_doctor_subject *s, bool json, void (*config)(const char *path, struct tmx_findings *to));
