/* SPDX-License-Identifier: Apache-2.0
 * What both daemons do before they serve: exit codes, hardening, the files their configurations name. For programs: failures
 * are said in one line on stderr that begins with the program's name.
 */
#pragma once

#include <tmx/directory.h>

/* Exit codes beside 0 and 1 (sysexits.h). After a storage error a daemon must not be restarted by itself. */
#define TMX_EXIT_USAGE 64
#define TMX_EXIT_STORAGE 74
#define TMX_EXIT_CONFIG 78

/* Keys are in memory: no core dumps, no ptrace by others. */
void tmx_startup_harden(void);
/* Memory of the caller's that is to hold keys: its pages are not swapped and in no core file. What cannot be locked is used all the
 * same: the log says so, once (memory.not-locked). */
void tmx_startup_lock(void *keys, size_t size);
/* Wipes it and gives its pages free, and with them what else is locked in them. */
void tmx_startup_unlock(void *keys, size_t size);
/* The whole file, malloc'ed, at most `max` bytes. Negative errno; nothing is said when `what` is NULL. */
int tmx_startup_file(const char *program, const char *path, size_t max, const char *what, uint8_t **ret_data,
                     size_t *ret_size) TMX_MUST_CHECK;
/* The file becomes `content`, at once and durably. Negative errno. */
int tmx_startup_keep(const char *path, struct tmx_bytes content) TMX_MUST_CHECK;
/* The pinned authority keys (authority.pub). 0 or TMX_EXIT_CONFIG. */
int tmx_startup_authority(const char *program, const char *path, struct tmx_authority *ret_authority) TMX_MUST_CHECK;
