/* SPDX-License-Identifier: Apache-2.0
 * The screen of `why`: the causes, the most important first, each with what shows it and what mends it; without one, what was
 * looked at.
 */
#include <stdio.h>
#include <string.h>

#include "screen.h"

static void show_member(const json_t *cause)
{
    if (json_object_get(cause, "member") != NULL) {
        printf("%s: ", text_of(cause, "member"));
    }
}

/* Longer than what text_of holds: they are the daemon's sentences, made printable by it, and again here. */
static void print_sentence(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    for (const char *c = text; *c != '\0'; c++) {
        putchar((unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c);
    }
}

static void show_cause(const json_t *cause)
{
    printf("%s %s: ", painted(text_of(cause, "severity")), text_of(cause, "code"));
    show_member(cause);
    print_sentence(cause, "text");
    printf(" (");
    print_sentence(cause, "evidence");
    printf(")\n    -> ");
    print_sentence(cause, "fix");
    printf("\n");
}

bool show_why(const json_t *reply)
{
    if (!fits(reply, "{ss ss ss}", "subject", "kind", "health") ||
        !rows_fit(reply, "causes", "{ss ss ss ss ss}", "code", "severity", "text", "evidence", "fix") ||
        !rows_fit(reply, "looked", "{ss ss}", "code", "evidence")) {
        return false;
    }
    size_t i;
    json_t *row;
    const json_t *causes = json_object_get(reply, "causes");
    json_array_foreach(causes, i, row)
    {
        show_cause(row);
    }
    if (json_array_size(causes) > 0) {
        return true;
    }
    printf("%s: nothing is in the way. Looked at:\n", text_of(reply, "subject"));
    json_array_foreach(json_object_get(reply, "looked"), i, row)
    {
        printf("  %-18s ", text_of(row, "code"));
        show_member(row);
        print_sentence(row, "evidence");
        printf("\n");
    }
    return true;
}
