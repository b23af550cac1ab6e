/* SPDX-License-Identifier: Apache-2.0
 * How programs of 8-byte instructions are changed: by whole instructions, so that what follows keeps its meaning, and
 * in one field; one time in four as any other bytes. Linked into libFuzzer programs only.
 */
#include <string.h>

#include <tmx/bytes.h>

#define WIDTH 8u

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,
                                 size_t max, unsigned seed);

static uint64_t draw(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/* A new one: small numbers mostly, since those mean something. */
static void compose(uint8_t *at, uint64_t *state)
{
    static const uint16_t values[] = { 0, 1, 2, 3, 8, 20, 64, 1000, 36000, 0x7fff, 0x8000, 0xffff };
    uint64_t r = draw(state), s = draw(state);
    at[0] = (uint8_t)r;
    at[1] = (uint8_t)((r >> 8) & 3) | ((r >> 10) & 7 ? 0 : (uint8_t)(r >> 16 & 0xe0));
    at[2] = (uint8_t)(r >> 24) & (r >> 32 & 1 ? 0xff : 0x0f);
    at[3] = (uint8_t)(r >> 40) & (r >> 33 & 1 ? 0xff : 0x07);
    at[4] = (uint8_t)(r >> 48) & (r >> 34 & 1 ? 0xff : 0x07);
    at[5] = (uint8_t)(r >> 56) & (r >> 35 & 1 ? 0xff : 0x03);
    uint16_t v = s & 3 ? values[(s >> 8) % TMX_N(values)] : (uint16_t)(s >> 16);
    at[6] = (uint8_t)(v >> 8);
    at[7] = (uint8_t)v;
}

static size_t insert(uint8_t *data, size_t n, size_t at, const uint8_t instruction[WIDTH])
{
    memmove(data + (at + 1) * WIDTH, data + at * WIDTH, (n - at) * WIDTH);
    memcpy(data + at * WIDTH, instruction, WIDTH);
    return n + 1;
}

static size_t change(uint8_t *data, size_t n, size_t n_max, uint64_t *state)
{
    uint64_t r = draw(state);
    size_t at = n > 1 ? 1 + (r >> 8) % (n - 1) : n, from = n > 0 ? (r >> 24) % n : 0;
    uint8_t one[WIDTH];
    compose(one, state);
    switch (n < 3 ? 0 : r % 8) {
    case 0:
    case 1:
        return n < n_max ? insert(data, n, at, one) : n;
    case 2:
    case 3:   /* one from elsewhere */
        memcpy(one, data + from * WIDTH, WIDTH);
        return n < n_max ? insert(data, n, at, one) : n;
    case 4:
        memmove(data + at * WIDTH, data + (at + 1) * WIDTH, (n - at - 1) * WIDTH);
        return n - 1;
    case 5:   /* two change places */
        memcpy(one, data + at * WIDTH, WIDTH);
        from = 1 + from % (n - 1);
        memcpy(data + at * WIDTH, data + from * WIDTH, WIDTH);
        memcpy(data + from * WIDTH, one, WIDTH);
        return n;
    default:   /* one field */
        data[at * WIDTH + (r >> 40) % WIDTH] = one[(r >> 40) % WIDTH];
        return n;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    uint64_t state = seed;
    if (draw(&state) % 4 == 0) {
        return LLVMFuzzerMutate(data, size, max);
    }
    size_t n = size / WIDTH;
    for (uint64_t times = 1 + draw(&state) % 4; times > 0; times--) {
        n = change(data, n, max / WIDTH, &state);
    }
    return n * WIDTH;
}

/* The head of one program, and the tail of another. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,
                                 size_t max, unsigned seed)
{
    uint64_t state = seed;
    size_t head = draw(&state) % (a_size / WIDTH + 1) * WIDTH, from = draw(&state) % (b_size / WIDTH + 1) * WIDTH;
    head = head < max ? head : max;
    size_t tail = b_size - from < max - head ? b_size - from : max - head;
    memcpy(out, a, head);
    memcpy(out + head, b + from, tail);
    return head + tail;
}
