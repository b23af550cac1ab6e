/* SPDX-License-Identifier: Apache-2.0
 * A daemon's status (tmx/control.h) in the text format of Prometheus. One table says what becomes of what: each number has
 * its path in the document there, its name, its unit and its meaning. tmx-metrics(7) is this table for people.
 *
 * The number of samples is bounded: a row of the table is one sample, or one for each member of the directory.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include <tmx/err.h>

#define TMX_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum tmx_metric_of {       /* bits */
    TMX_METRIC_BROKER = 1,
    TMX_METRIC_NODE = 2,
    TMX_METRIC_BOTH = 3,
};

enum tmx_metric_value {
    TMX_METRIC_NUMBER,     /* as it is in the document */
    TMX_METRIC_SECONDS,    /* of milliseconds */
    TMX_METRIC_IS,         /* 1 when the text at the path is `is`, 0 when it is another; of true and false too, without `is` */
    TMX_METRIC_INFO,       /* 1; the texts at the paths, separated by spaces, are the values of the labels, so too */
};

struct tmx_metric {
    enum tmx_metric_of of;
    const char *path;      /* "spool.used_bytes", "latency.x_ms.p50[1]"; "destinations[].queued" is a sample for each member */
    const char *name;      /* without tmx_broker_ or tmx_node_; counters end in _total */
    enum tmx_metric_value value;
    const char *is;
    const char *label;     /* state="up", beside the member; or NULL */
    const char *help;      /* one line. Rows of one name follow each other, and only the first has it */
};

extern const struct tmx_metric tmx_metrics[];
extern const size_t tmx_metrics_n;

/* Writes what the document has of the table; what it lacks is left out. */
void tmx_metrics_write(const json_t *status, FILE *out);
