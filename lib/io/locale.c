/* SPDX-License-Identifier: Apache-2.0
 * The locale of a command.
 */
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include <tmx/locale.h>

static bool is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

bool tmx_locale_utf8(const char *program)
{
    (void)setlocale(LC_ALL, "");
    if (!is_utf8()) {
        (void)setlocale(LC_CTYPE, "C.UTF-8");
    }
    if (!is_utf8()) {
        fprintf(stderr, "%s: this system has no locale C.UTF-8: install it, or set LC_ALL to a UTF-8 one\n", program);
        return false;
    }
    return true;
}
