/* SPDX-License-Identifier: Apache-2.0
 * Identifiers of the transit domain: patterns and check digits (proto/README.md, ID-1 and ID-2). */
#include <tmx/identifier.h>
#include <tmx/limits.h>

#define CHECKED_MAX 17u   /* the longest text under a check digit: an MRN without it */
#define LRN_MAX 22u
#define BUSINESS_ID_MAX 35u

static bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool upper(uint8_t c)
{
    return c >= 'A' && c <= 'Z';
}

/* The pattern has one letter per character: n a digit, a a capital letter, x either. */
static bool matches(struct tmx_bytes text, const char *pattern)
{
    if (text.size != tmx_bytes_str(pattern).size) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        bool fits = (pattern[i] != 'a' && digit(text.data[i])) || (pattern[i] != 'n' && upper(text.data[i]));
        if (!fits) {
            return false;
        }
    }
    return true;
}

/* Printable ASCII of 1 to `max` characters without a space at either end. */
static bool plain(struct tmx_bytes text, size_t max)
{
    if (text.size < 1 || text.size > max || text.data[0] == ' ' || text.data[text.size - 1] == ' ') {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < ' ' || text.data[i] > '~') {
            return false;
        }
    }
    return true;
}

char tmx_check_digit(struct tmx_bytes text)
{
    unsigned sum = 0;

    if (text.size < 1 || text.size > CHECKED_MAX) {
        return 0;
    }
    for (size_t i = 0; i < text.size; i++) {
        unsigned c = text.data[i];
        unsigned value;
        if (digit(text.data[i])) {
            value = c - '0';
        } else if (upper(text.data[i])) {
            /* letters count from 10, without the multiples of 11 */
            value = 10 + (c - 'A') + (c >= 'B') + (c >= 'L') + (c >= 'V');
        } else {
            return 0;
        }
        sum += value << i;
    }
    return (char)('0' + sum % 11 % 10);
}

static bool checked(struct tmx_bytes text, size_t size)
{
    return tmx_check_digit(tmx_bytes_slice(text, 0, size)) == (char)text.data[size];
}

bool tmx_mrn_valid(struct tmx_bytes mrn)
{
    if (!matches(mrn, "nnaaxxxxxxxxxxxxxn")) {
        return false;
    }
    unsigned year = (mrn.data[0] - '0') * 10u + (mrn.data[1] - '0');
    bool phase5 = year >= 24 && mrn.data[16] >= 'J' && mrn.data[16] <= 'M';
    return (phase5 || year <= 24) && checked(mrn, 17);
}

bool tmx_lrn_valid(struct tmx_bytes lrn)
{
    return plain(lrn, LRN_MAX);
}

bool tmx_grn_valid(struct tmx_bytes grn)
{
    bool fits = matches(grn, "nnaaxxxxxxxxxxxxn") || matches(grn, "nnaaxxxxxxxxxxxxnannnnnn");
    return fits && checked(grn, 16);
}

bool tmx_office_valid(struct tmx_bytes office)
{
    return matches(office, "aaxxxxxx");
}

bool tmx_member_valid(struct tmx_bytes code)
{
    static const char longest[] = "xxxxxxxx";

    _Static_assert(sizeof(longest) - 1 == TMX_MEMBER_MAX, "one x per character");
    return code.size >= 2 && code.size <= TMX_MEMBER_MAX && matches(code, longest + (TMX_MEMBER_MAX - code.size));
}

bool tmx_name_valid(struct tmx_bytes name, size_t max)
{
    if (name.size < 1 || name.size > max) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool inner = i > 0 && (c == '.' || c == '-');
        if (!digit(c) && !(c >= 'a' && c <= 'z') && !inner) {
            return false;
        }
    }
    return true;
}

bool tmx_business_id_valid(struct tmx_bytes id)
{
    return plain(id, BUSINESS_ID_MAX);
}
