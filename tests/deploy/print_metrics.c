/* SPDX-License-Identifier: Apache-2.0
 * The table of metrics, a line for each name of a daemon: name, type and meaning, separated by tabs.
 */
#include <string.h>

#include "../../lib/io/metrics.h"

static void print(const struct tmx_metric *m, const char *role)
{
    size_t n = strlen(m->name);
    bool counter = n > 6 && strcmp(m->name + n - 6, "_total") == 0;
    printf("tmx_%s_%s\t%s\t%s\n", role, m->name, counter ? "counter" : "gauge", m->help);
}

int main(void)
{
    for (size_t i = 0; i < tmx_metrics_n; i++) {
        const struct tmx_metric *m = &tmx_metrics[i];
        if (m->help != NULL && (m->of & TMX_METRIC_BROKER) != 0) {
            print(m, "broker");
        }
        if (m->help != NULL && (m->of & TMX_METRIC_NODE) != 0) {
            print(m, "node");
        }
    }
    return 0;
}
