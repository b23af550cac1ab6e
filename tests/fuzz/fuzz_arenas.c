/* SPDX-License-Identifier: Apache-2.0
 * Arenas that outlive their owner, linked with --wrap: a core that is made anew for every input would otherwise spend
 * its time on having tens of megabytes mapped and marked by the sanitizer. Their ends are watched all the same.
 */
#include <stdlib.h>

#include <tmx/bytes.h>

#define KEPT_MAX 32u

int __real_tmx_arena_init(struct tmx_arena *a, size_t size);
void __real_tmx_arena_deinit(struct tmx_arena *a);
int __wrap_tmx_arena_init(struct tmx_arena *a, size_t size);
void __wrap_tmx_arena_deinit(struct tmx_arena *a);

static struct tmx_arena kept[KEPT_MAX];

int __wrap_tmx_arena_init(struct tmx_arena *a, size_t size)
{
    for (size_t i = 0; i < KEPT_MAX; i++) {
        if (kept[i].start != NULL && kept[i].size == size) {
            *a = (struct tmx_arena){ .start = kept[i].start, .size = size };
            kept[i].start = NULL;
            return 0;
        }
    }
    return __real_tmx_arena_init(a, size);
}

void __wrap_tmx_arena_deinit(struct tmx_arena *a)
{
    for (size_t i = 0; i < KEPT_MAX && a->start != NULL; i++) {
        if (kept[i].start == NULL) {
            kept[i] = *a;
            *a = (struct tmx_arena){ .start = NULL };
            return;
        }
    }
    __real_tmx_arena_deinit(a);
}
