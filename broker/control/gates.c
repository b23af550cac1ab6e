/* SPDX-License-Identifier: Apache-2.0
 * What of the gates is a problem that does not mend itself.
 */
#include "../daemon.h"

void control_gate_problems(const struct gates *g, json_t *problems)
{
    for (size_t i = 0; i < g->n_missing; i++) {
        tmx_answer_problem_see(problems, "critical", "tmx-broker --check",
                               "%s cannot link: gate-%s.key is missing or not the key in the directory; once it is mended, reload",
                               g->missing[i], g->missing[i]);
    }
}
