/* SPDX-License-Identifier: Apache-2.0
 * Large blocks that outlive their owner, linked with --wrap: a core that is made anew for every input would otherwise
 * spend its time on having tens of megabytes mapped and unmapped. While nobody has them they are poisoned, and their ends
 * are watched as ever.
 */
#include <stdlib.h>
#include <string.h>

#include <tmx/err.h>

#if TMX_SANITIZED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define LARGE (64u << 10)
#define BLOCKS_MAX 64u

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);

static struct block {
    void *start;
    size_t size;
    bool used;
} blocks[BLOCKS_MAX];

static struct block *block_of(const void *p)
{
    for (size_t i = 0; i < BLOCKS_MAX && p != NULL; i++) {
        if (blocks[i].start == p) {
            return &blocks[i];
        }
    }
    return NULL;
}

static void *take(size_t size, bool zero)
{
    struct block *spare = NULL;
    for (size_t i = 0; i < BLOCKS_MAX; i++) {
        struct block *b = &blocks[i];
        if (!b->used && b->start != NULL && b->size == size) {
            ASAN_UNPOISON_MEMORY_REGION(b->start, size);
            b->used = true;
            return zero ? memset(b->start, 0, size) : b->start;
        }
        spare = spare == NULL && b->start == NULL ? b : spare;
    }
    void *p = zero ? __real_calloc(1, size) : __real_malloc(size);
    if (spare != NULL && p != NULL) {
        *spare = (struct block){ p, size, true };
    }
    return p;
}

void *__wrap_malloc(size_t size)
{
    return size >= LARGE ? take(size, false) : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    size_t all;
    return !__builtin_mul_overflow(n, size, &all) && all >= LARGE ? take(all, true) : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    struct block *b = block_of(p);
    if (b == NULL) {
        return __real_realloc(p, size);
    }
    void *q = __wrap_malloc(size);
    if (q != NULL) {
        memcpy(q, p, b->size < size ? b->size : size);
        __wrap_free(p);
    }
    return q;
}

void __wrap_free(void *p)
{
    struct block *b = block_of(p);
    if (b == NULL) {
        __real_free(p);
        return;
    }
    assert(b->used);
    b->used = false;
    ASAN_POISON_MEMORY_REGION(b->start, b->size);
}
