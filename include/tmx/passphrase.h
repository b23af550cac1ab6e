/* SPDX-License-Identifier: Apache-2.0
 * Passphrases of key files: asked for at the terminal, unseen; or, for scripts, the first line of the file that the environment names
 * (TMX_PASSPHRASE_FILE, which nobody else may read; /dev/fd/N of an open descriptor will do). Never from the command line.
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/keyfile.h>

#define TMX_PASSPHRASE_MAX 1024u

/* In memory that is locked, fenced and wiped when it is freed. NULL: ret_error says in a sentence why there is none: an empty one, an
 * interrupt (Ctrl-C, Ctrl-D), no terminal. `twice`: a new one, which at a terminal is typed again. */
struct tmx_passphrase;
struct tmx_passphrase *tmx_passphrase_get(const char *path, bool twice, char *ret_error, size_t capacity) TMX_MUST_CHECK;
struct tmx_bytes tmx_passphrase_bytes(const struct tmx_passphrase *p);
struct tmx_passphrase *tmx_passphrase_free(struct tmx_passphrase *p);

/* For tmx_keyfile_read: ctx is a struct tmx_passphrase *, NULL at first; its owner frees what is there afterwards. */
tmx_keyfile_ask_fn tmx_passphrase_ask;
