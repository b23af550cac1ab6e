/* SPDX-License-Identifier: Apache-2.0
 * See tmx/startup.h.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <tmx/log.h>
#include <tmx/startup.h>

#include "files.h"

#define AUTHORITY_FILE_MAX 65536u

void tmx_startup_harden(void)
{
    struct rlimit none = { 0, 0 };
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void tmx_startup_lock(void *keys, size_t size)
{
    static bool told;
    if (sodium_mlock(keys, size) != 0 && !told) {
        told = true;
        tmx_log_text(TMX_LOG_WARNING, "memory.not-locked", "keys in memory can get into swap: %s; LimitMEMLOCK=64M in the unit, or ulimit -l",
                     strerror(errno));
    }
}

void tmx_startup_unlock(void *keys, size_t size)
{
    (void)sodium_munlock(keys, size);   /* it wipes first; what was not locked cannot be unlocked */
}

int tmx_startup_file(const char *program, const char *path, size_t max, const char *what, uint8_t **ret_data,
                     size_t *ret_size)
{
    uint8_t *data = malloc(max);
    size_t size;
    int r = data == NULL ? -ENOMEM : tmx_read_file(path, data, max, &size);
    if (r < 0) {
        if (what != NULL) {
            fprintf(stderr, "%s: %s %s: %s\n", program, what, path, strerror(-r));
        }
        free(data);
        return r;
    }
    *ret_data = data;
    *ret_size = size;
    return 0;
}

int tmx_startup_keep(const char *path, struct tmx_bytes content)
{
    return tmx_replace_file(path, content);
}

int tmx_startup_authority(const char *program, const char *path, struct tmx_authority *ret_authority)
{
    uint8_t *data;
    size_t size;
    if (tmx_startup_file(program, path, AUTHORITY_FILE_MAX, "authority keys", &data, &size) != 0) {
        return TMX_EXIT_CONFIG;
    }
    bool ok = tmx_authority_parse(TMX_BYTES(data, size), ret_authority);
    free(data);
    if (!ok) {
        fprintf(stderr, "%s: %s is not a file of authority keys (first line `threshold K`, then one key a line)\n", program,
                path);
        return TMX_EXIT_CONFIG;
    }
    return 0;
}
