/* SPDX-License-Identifier: Apache-2.0
 * The directories of an export, each signed by the authority that the one before it names, the first by the pinned
 * one. They hold every key an auditor needs. DIR-2
 */
#pragma once

#include <tmx/directory.h>

#define AUDIT_DIRECTORIES_MAX 4096u

struct tmx_audit_directories;

/* The authority file, obtained from the authority and not from the export. *ret_what: a static text. */
int tmx_audit_authority(const char *file, struct tmx_authority *ret_authority, const char **ret_what) TMX_MUST_CHECK;

/* What is wrong with one of the files; the others are still loaded. */
typedef void tmx_audit_directories_fault_fn(void *ctx, const char *text);
/* Loads `directories/` of the export. -ENOMEM. */
int tmx_audit_directories_load(int export_fd, const struct tmx_authority *pinned,
                               tmx_audit_directories_fault_fn *fault, void *ctx,
                               struct tmx_audit_directories **ret_directories) TMX_MUST_CHECK;
/* None yet; NULL: out of memory. */
struct tmx_audit_directories *tmx_audit_directories_new(void);
/* Adds a directory that the authority of the last one signed, or the pinned one if it is the first; at most 4096.
 * -ENOMEM, or enum tmx_directory_error and nothing is added. */
int tmx_audit_directories_add(struct tmx_audit_directories *d, struct tmx_bytes file,
                              const struct tmx_authority *pinned, const struct tmx_directory **ret_directory)
    TMX_MUST_CHECK;
struct tmx_audit_directories *tmx_audit_directories_free(struct tmx_audit_directories *d);
size_t tmx_audit_directories_count(const struct tmx_audit_directories *d);
/* Ascending by serial. */
const struct tmx_directory *tmx_audit_directories_at(const struct tmx_audit_directories *d, size_t i);
/* NULL when the export has no valid directory of that serial. */
const struct tmx_directory *tmx_audit_directories_find(const struct tmx_audit_directories *d, uint64_t serial);
/* The one of the highest serial; NULL when there is none. */
const struct tmx_directory *tmx_audit_directories_newest(const struct tmx_audit_directories *d);
/* The key of a log by its origin, from the newest directory that lists it: an old shard may be in older ones only.
 * NULL when none does. */
const struct tmx_verify_key *tmx_audit_log_key(const struct tmx_audit_directories *d, const char *origin);
/* The shard in "tmx.<federation>/log/<shard>"; empty when it is not such an origin. */
struct tmx_bytes tmx_audit_shard(const char *origin);
