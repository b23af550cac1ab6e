/* SPDX-License-Identifier: Apache-2.0
 * Looking at what a daemon's configuration names, for --check of both: everything that is wrong, each with the line of the
 * file that names it. Nothing is written, created or locked; a spool that a running daemon owns is left alone.
 *
 * A key that is unset because its line is wrong is passed over: the line was complained of already.
 */
#pragma once

#include <tmx/config.h>
#include <tmx/directory.h>
#include <tmx/findings.h>

struct tmx_inspection {
    struct tmx_findings *to;
    const struct tmx_config *config;
    const char *path;      /* of the file */
    const char *section;   /* that names everything below */
    const char *program;   /* "tmx-broker", for remedies */
    uint64_t now_ms;       /* wall clock */
};

/* Reads the configuration; a critical finding for each line that is wrong. NULL: there is nothing to go on with. */
struct tmx_config *tmx_inspect_config(const char *path, const struct tmx_config_schema *schema, struct tmx_findings *to);

/* A finding whose subject is where `key` is set in that section. `remedy` may be NULL. */
void tmx_inspect_say(const struct tmx_inspection *i, const char *section, const char *key,
                     enum tmx_finding_severity severity, const char *remedy, const char *fmt, ...) TMX_PRINTF(6, 7);

/* Each says what it finds, good or bad; true: it is there and good enough to go on with. */
bool tmx_inspect_authority(const struct tmx_inspection *i, struct tmx_authority *ret_authority);
/* `directory`: verified, and not expired. */
bool tmx_inspect_directory(const struct tmx_inspection *i, const struct tmx_authority *authority,
                           struct tmx_directory **ret_directory);
/* `keys`: the folder. */
bool tmx_inspect_keys(const struct tmx_inspection *i);
/* A file in it, NAME.key. */
bool tmx_inspect_key(const struct tmx_inspection *i, const char *name, const char *purpose, uint8_t ret_public[32]);
/* `spool`, `capacity` and `marker`; the role is "broker" or "node". */
void tmx_inspect_spool(const struct tmx_inspection *i, const char *role);
/* `run`, and the control socket in it. */
void tmx_inspect_run(const struct tmx_inspection *i);
/* `http`: a loopback address, or none. */
void tmx_inspect_http(const struct tmx_inspection *i);
/* `operators` and the key that signs them. */
void tmx_inspect_operators(const struct tmx_inspection *i);
