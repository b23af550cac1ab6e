/* SPDX-License-Identifier: Apache-2.0
 * Strict text codecs. Every parser looks at the whole input before it writes anything. */
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>

#define MS_PER_DAY 86400000ull
#define MS_MAX 253402300799999ull   /* 9999-12-31T23:59:59.999Z */
#define NEAREST_WORD_MAX 64u

void tmx_hex(struct tmx_bytes b, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < b.size; i++) {
        ret_hex[2 * i] = digits[b.data[i] >> 4];
        ret_hex[2 * i + 1] = digits[b.data[i] & 15];
    }
    ret_hex[2 * b.size] = '\0';
}

/* 0..15, or -1 */
static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool tmx_unhex(struct tmx_bytes text, uint8_t *ret_data, size_t size)
{
    if (text.size % 2 != 0 || text.size / 2 != size) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (hex_value(text.data[i]) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < size; i++) {
        ret_data[i] = (uint8_t)(hex_value(text.data[2 * i]) << 4 | hex_value(text.data[2 * i + 1]));
    }
    return true;
}

void tmx_base64(struct tmx_bytes b, char *ret_text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = ret_text;

    for (size_t i = 0; i < b.size; i += 3) {
        size_t n = b.size - i < 3 ? b.size - i : 3;
        unsigned group = (unsigned)b.data[i] << 16;

        if (n > 1) {
            group |= (unsigned)b.data[i + 1] << 8;
        }
        if (n > 2) {
            group |= b.data[i + 2];
        }
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = n > 1 ? digits[group >> 6 & 63] : '=';
        *out++ = n > 2 ? digits[group & 63] : '=';
    }
    *out = '\0';
}

/* 0..63, or -1 */
static int base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool tmx_unbase64(struct tmx_bytes text, uint8_t *ret_data, size_t max, size_t *ret_size)
{
    if (text.size % 4 != 0) {
        return false;
    }
    size_t digits = text.size;
    while (digits > 0 && text.size - digits < 2 && text.data[digits - 1] == '=') {
        digits--;
    }
    size_t size = text.size / 4 * 3 - (text.size - digits);
    if (size > max) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        if (base64_value(text.data[i]) < 0) {
            return false;
        }
    }
    /* the bits that padding cuts off must be zero: one text per value */
    int unused = text.size - digits == 2 ? 15 : text.size - digits == 1 ? 3 : 0;
    if (digits > 0 && (base64_value(text.data[digits - 1]) & unused) != 0) {
        return false;
    }
    unsigned bits = 0;
    size_t out = 0;
    for (size_t i = 0; i < digits; i++) {
        bits = bits << 6 | (unsigned)base64_value(text.data[i]);
        if (i % 4 != 0) {
            ret_data[out++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
        }
    }
    *ret_size = out;
    return true;
}

bool tmx_take_line(struct tmx_bytes *text, struct tmx_bytes *ret_line)
{
    const uint8_t *end = text->size == 0 ? NULL : memchr(text->data, '\n', text->size);
    if (end == NULL) {
        return false;
    }
    size_t size = (size_t)(end - text->data);
    *ret_line = tmx_bytes_slice(*text, 0, size);
    *text = tmx_bytes_slice(*text, size + 1, text->size - size - 1);
    return true;
}

bool tmx_parse_u64(struct tmx_bytes text, uint64_t max, uint64_t *ret_value)
{
    uint64_t v = 0;

    if (text.size == 0 || text.size > 20 || (text.size > 1 && text.data[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || v > (UINT64_MAX - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    if (v > max) {
        return false;
    }
    *ret_value = v;
    return true;
}

static bool leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return days[month - 1] + (month == 2 && leap(year) ? 1u : 0u);
}

/* Days from 1970-01-01 to the first of January of `year`. */
static uint64_t days_before(unsigned year)
{
    uint64_t y = year - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

void tmx_time_text(uint64_t ms, char ret_text[TMX_TIME_TEXT_SIZE])
{
    if (ms > MS_MAX) {
        ms = MS_MAX;   /* five-digit years are not a time of this system */
    }
    uint64_t days = ms / MS_PER_DAY;
    unsigned rest = (unsigned)(ms % MS_PER_DAY);
    unsigned year = 1970 + (unsigned)(days / 366);   /* never too late */
    unsigned month = 1;

    while (days_before(year + 1) <= days) {
        year++;
    }
    unsigned day = (unsigned)(days - days_before(year));
    while (day >= days_of_month(year, month)) {
        day -= days_of_month(year, month++);
    }
    snprintf(ret_text, TMX_TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year % 10000, month % 100,
             (day + 1) % 100, rest / 3600000, rest / 60000 % 60, rest / 1000 % 60, rest % 1000);
}

/* `n` digits at `at`, followed by `mark` unless that is NUL; false when it is something else. */
static bool read_digits(struct tmx_reader *r, unsigned n, char mark, unsigned *ret_value)
{
    unsigned v = 0;

    for (unsigned i = 0; i < n; i++) {
        unsigned digit = (unsigned)tmx_read_u8(r) - '0';
        if (digit > 9) {
            return false;
        }
        v = v * 10 + digit;
    }
    if (mark != '\0' && tmx_read_u8(r) != mark) {
        return false;
    }
    *ret_value = v;
    return tmx_reader_ok(r);
}

bool tmx_parse_time(struct tmx_bytes text, uint64_t *ret_ms)
{
    struct tmx_reader r = tmx_reader_init(text);
    unsigned year, month, day, hour = 0, minute = 0, second = 0, ms = 0;

    if (text.size != 10 && text.size != 20 && text.size != 24) {
        return false;
    }
    if (!read_digits(&r, 4, '-', &year) || !read_digits(&r, 2, '-', &month) ||
        !read_digits(&r, 2, text.size > 10 ? 'T' : '\0', &day)) {
        return false;
    }
    if (text.size > 10 && (!read_digits(&r, 2, ':', &hour) || !read_digits(&r, 2, ':', &minute) ||
                           !read_digits(&r, 2, text.size > 20 ? '.' : 'Z', &second))) {
        return false;
    }
    if (text.size > 20 && !read_digits(&r, 3, 'Z', &ms)) {
        return false;
    }
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || hour > 23 ||
        minute > 59 || second > 59) {
        return false;
    }
    uint64_t days = days_before(year) + day - 1;
    for (unsigned m = 1; m < month; m++) {
        days += days_of_month(year, m);
    }
    *ret_ms = days * MS_PER_DAY + ((hour * 60u + minute) * 60u + second) * 1000ull + ms;
    return true;
}

void tmx_id_text(const uint8_t id[16], char ret_text[TMX_ID_TEXT_SIZE])
{
    static const uint8_t groups[] = { 4, 2, 2, 2, 6 };
    char *out = ret_text;

    for (size_t g = 0; g < TMX_N(groups); g++) {
        tmx_hex(TMX_BYTES(id, groups[g]), out);   /* its NUL is overwritten by the dash */
        id += groups[g];
        out += 2 * groups[g];
        *out++ = '-';
    }
    out[-1] = '\0';
}

bool tmx_parse_id(struct tmx_bytes text, uint8_t ret_id[16])
{
    uint8_t digits[32];
    struct tmx_writer w = TMX_WRITER_OF(digits);

    if (text.size != 32 && text.size != 36) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        bool dash = text.size == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
        if (!dash) {
            tmx_write_u8(&w, text.data[i]);
        } else if (text.data[i] != '-') {
            return false;
        }
    }
    return tmx_unhex(tmx_written(&w), ret_id, 16);
}

/* The size of the valid UTF-8 sequence at the start of b and its code point; 0 when there is none. */
static size_t utf8_size(struct tmx_bytes b, uint32_t *ret_point)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint8_t first = b.data[0];
    size_t size = first < 0x80 ? 1 : first >= 0xf0 && first < 0xf8 ? 4 : first >= 0xe0 && first < 0xf0 ? 3
        : first >= 0xc0 && first < 0xe0 ? 2 : 0;

    if (size == 0 || size > b.size) {
        return 0;
    }
    uint32_t point = size == 1 ? first : first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((b.data[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (b.data[i] & 0x3f);
    }
    if (point < least[size] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return 0;
    }
    *ret_point = point;
    return size;
}

/* Neither a control nor one of the invisible marks that reorder or hide text on a screen. */
static bool printable(uint32_t p)
{
    return p >= 0x20 && !(p >= 0x7f && p <= 0x9f) && p != 0xad && p != 0x61c && p != 0x180e &&
        !(p >= 0x200b && p <= 0x200f) && !(p >= 0x2028 && p <= 0x202e) && !(p >= 0x2060 && p <= 0x206f) &&
        p != 0xfeff && !(p >= 0xfff0 && p <= 0xfffb) && (p & 0xfffe) != 0xfffe && !(p >= 0xfdd0 && p <= 0xfdef) &&
        !(p >= 0xe0000 && p <= 0xe0fff) && !(p >= 0xe000 && p <= 0xf8ff) && p < 0xf0000;
}

void tmx_printable(struct tmx_bytes b, char *ret_text, size_t capacity)
{
    static const char ellipsis[] = "…";
    const size_t tail = sizeof(ellipsis) - 1;
    size_t used = 0;   /* never beyond capacity - 1 */
    size_t cut = 0;    /* the last place where the ellipsis still fits */

    assert(capacity > 0);
    for (size_t i = 0; i < b.size;) {
        uint32_t point = 0;
        size_t size = utf8_size(tmx_bytes_slice(b, i, b.size - i), &point);
        bool shown = size > 0 && printable(point);
        size_t out = shown ? size : 4;

        if (used + tail < capacity) {
            cut = used;
        }
        if (out >= capacity - used) {
            bool fits = tail < capacity;
            memcpy(ret_text + cut, ellipsis, fits ? tail : 0);
            ret_text[fits ? cut + tail : used] = '\0';
            return;
        }
        if (shown) {
            memcpy(ret_text + used, b.data + i, size);
        } else {
            snprintf(ret_text + used, capacity - used, "\\x%02x", b.data[i]);
        }
        used += out;
        i += shown ? size : 1;
    }
    ret_text[used] = '\0';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Levenshtein distance without regard to case; both at most NEAREST_WORD_MAX long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NEAREST_WORD_MAX + 1];
    size_t n = strlen(b);

    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t best = corner + (lower(a[i]) != lower(b[j]) ? 1 : 0);
            corner = row[j + 1];
            if (corner + 1 < best) {
                best = corner + 1;
            }
            if (row[j] + 1 < best) {
                best = row[j] + 1;
            }
            row[j + 1] = best;
        }
    }
    return row[n];
}

const char *tmx_nearest(const char *word, const char *const *names, size_t n)
{
    size_t size = strlen(word);
    size_t near = 1 + size / 4;   /* beyond that a suggestion confuses more than it helps */
    const char *found = NULL;

    if (size == 0 || size > NEAREST_WORD_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (strlen(names[i]) > NEAREST_WORD_MAX) {
            continue;
        }
        size_t d = distance(word, names[i]);
        if (d <= near && d < size) {
            found = names[i];
            near = d - (d > 0 ? 1 : 0);
            if (d == 0) {
                break;
            }
        }
    }
    return found;
}
