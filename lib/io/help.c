/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <tmx/help.h>

#define WIDTH 79u

void tmx_help_row(FILE *out, unsigned at, const char *words, const char *text)
{
    size_t column = (size_t)fprintf(out, "  %s", words);
    if (column >= at) {
        fprintf(out, "\n");
        column = 0;
    }
    fprintf(out, "%*s", (int)(at - column), "");
    column = at;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (column > at && column + 1 + word > WIDTH) {
            fprintf(out, "\n%*s", (int)at, "");
            column = at;
        } else if (column > at) {
            fprintf(out, " ");
            column++;
        }
        fprintf(out, "%.*s", (int)word, text);
        column += word;
        text += word + strspn(text + word, " ");
    }
    fprintf(out, "\n");
}
