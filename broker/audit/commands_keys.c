/* SPDX-License-Identifier: Apache-2.0
 * The key with which exports are signed.
 */
#include <stdio.h>

#include "commands.h"
#include "signify.h"

int tmx_run_keygen(const struct arguments *a)
{
    char public[SIGNIFY_WHY_MAX];
    char why[SIGNIFY_WHY_MAX];

    if (tmx_signify_create(a->operands[0], public, why) < 0) {
        return tmx_audit_complain(why);
    }
    printf("%s: keep it; %s: give it to whoever gets exports\n", a->operands[0], public);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}
