/* SPDX-License-Identifier: Apache-2.0
 * Files and folders that stay where they were put.
 */
#pragma once

#include <tmx/bytes.h>

#define TMX_PATH_MAX 4096u

/* -ENAMETOOLONG. `name` begins with what joins it. */
int tmx_join_path(char ret_path[TMX_PATH_MAX], const char *folder, const char *name) TMX_MUST_CHECK;
/* fsync of a file or folder by name. Negative errno. */
int tmx_sync_path(const char *path) TMX_MUST_CHECK;
/* fsync of the folder that holds `path`. */
int tmx_sync_folder_of(const char *path) TMX_MUST_CHECK;
/* All of it, from `at` on. */
int tmx_write_at(int fd, struct tmx_bytes b, uint64_t at) TMX_MUST_CHECK;
/* The file becomes `content`, at once and durably: written beside (PATH.new, mode 0600), synced, renamed. */
int tmx_replace_file(const char *path, struct tmx_bytes content) TMX_MUST_CHECK;
/* The whole file, at most `size` bytes of it; -EFBIG when there is more. */
int tmx_read_file(const char *path, uint8_t *ret_data, size_t size, size_t *ret_size) TMX_MUST_CHECK;
