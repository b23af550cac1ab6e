/* SPDX-License-Identifier: Apache-2.0
 * What the files of the page share: report_html.c is its text and tables, report_plot.c its plots.
 */
#pragma once

#include "report.h"

/* Captions are constants. */
void report_plot_timeline(FILE *out, const struct tmx_timeline *t, const char *caption);
void report_plot_durations(FILE *out, const struct tmx_report_row *all, const char *caption);
void report_plot_members(FILE *out, const struct tmx_report *r, bool received, const char *caption);
