/* SPDX-License-Identifier: Apache-2.0
 * The plots of the page. Bars are SVG that is stretched to the width there is; what is written beside them is text of the
 * page, which is not. Nothing is said by a plot alone: the table behind each has its numbers.
 */
#include <inttypes.h>
#include <string.h>

#include <tmx/text.h>

#include "html.h"
#include "report_page.h"

#define SVG "<svg xmlns=\"http://www.w3.org/2000/svg\" "
#define HEIGHT 100.0 /* of a plot, in its own units */
#define STEP 10.0    /* from an interval to the next */
#define BAR 8.6
#define WIDTH 1000.0 /* of a member's bar */

/* In the order in which they stand on each other. */
static const enum tmx_fate fates[] = { FATE_DELIVERED, FATE_REFUSED, FATE_EXPIRED, FATE_EXCEPTION, FATE_OPEN };

static void begin(FILE *out, const char *id, const char *caption)
{
    fprintf(out, "<figure aria-labelledby=\"%s-plot\">\n<figcaption id=\"%s-plot\">%s</figcaption>\n", id, id, caption);
}

static void legend_item(FILE *out, const char *class, const char *text)
{
    fprintf(out, "<li>" SVG "viewBox=\"0 0 1 1\"><rect class=\"%s\" width=\"1\" height=\"1\"/></svg>%s</li>", class, text);
}

static void legend_fates(FILE *out)
{
    fputs("<ul class=\"legend\" aria-hidden=\"true\">", out);
    for (size_t i = 0; i < TMX_N(fates); i++) {
        legend_item(out, tmx_fate_name(fates[i]), tmx_fate_name(fates[i]));
    }
    fputs("</ul>\n", out);
}

/* A round number from `max` on, that has a half. */
static uint64_t round_up(uint64_t max)
{
    uint64_t unit = 1;

    while (max / unit > 10 || (max / unit == 10 && max % unit > 0)) {
        unit *= 10;
    }
    for (uint64_t n = 2; n < 10; n += 2) {
        if (n * unit >= max) {
            return n * unit;
        }
    }
    return 10 * unit;
}

/* The scale beside a plot, and its frame with three lines. */
static void begin_chart(FILE *out, uint64_t top, double width, const char *label)
{
    fputs("<div class=\"chart\"><div class=\"y\" aria-hidden=\"true\"><span>", out);
    html_count(out, top);
    fputs("</span><span>", out);
    html_count(out, top / 2);
    fprintf(out, "</span><span>0</span></div>" SVG "role=\"img\" aria-label=\"%s\" viewBox=\"0 0 %.0f %.0f\" "
                 "preserveAspectRatio=\"none\">\n", label, width, HEIGHT);
    for (unsigned i = 0; i < 3; i++) {
        fprintf(out, "<path class=\"grid\" d=\"M0 %.0fH%.0f\"/>\n", HEIGHT / 2 * i, width);
    }
}

static void rect(FILE *out, const char *class, double x, double y, double width, double height)
{
    fprintf(out, "<rect class=\"%s\" x=\"%.2f\" y=\"%.3f\" width=\"%.2f\" height=\"%.3f\"/>\n", class, x, y, width, height);
}

static double part(uint64_t n, uint64_t of)
{
    return (double)n / (double)of;
}

static uint64_t sum(const uint64_t n[FATES])
{
    uint64_t all = 0;

    for (size_t i = 0; i < FATES; i++) {
        all += n[i];
    }
    return all;
}

/* When an interval begins, as far as its width makes it worth saying. */
static void interval(FILE *out, const struct tmx_timeline *t, size_t i)
{
    char text[TMX_TIME_TEXT_SIZE];

    tmx_time_text(t->start_ms + i * t->width_ms, text);
    fprintf(out, "<span>%.10s", text);
    if (t->width_ms < 86400000) {
        fprintf(out, " %.5s", text + 11);
    }
    fputs("</span>", out);
}

void report_plot_timeline(FILE *out, const struct tmx_timeline *t, const char *caption)
{
    const double width = STEP * (double)t->n;
    uint64_t max = 1;
    uint64_t top;

    for (size_t i = 0; i < t->n; i++) {
        max = sum(t->fates[i]) > max ? sum(t->fates[i]) : max;
    }
    top = round_up(max);
    begin(out, "timeline", caption);
    legend_fates(out);
    begin_chart(out, top, width, "Stacked bars, one for each interval; the table below has the numbers");
    for (size_t i = 0; i < t->n; i++) {
        double y = HEIGHT;

        for (size_t f = 0; f < TMX_N(fates); f++) {
            const double height = HEIGHT * part(t->fates[i][fates[f]], top);

            if (height > 0) {
                y -= height;
                rect(out, tmx_fate_name(fates[f]), STEP * (double)i + (STEP - BAR) / 2, y, BAR, height);
            }
        }
    }
    fputs("</svg><div class=\"x\" aria-hidden=\"true\">", out);
    interval(out, t, 0);
    if (t->n > 2) {
        interval(out, t, t->n / 2);
    }
    if (t->n > 1) {
        interval(out, t, t->n - 1);
    }
    fputs("</div></div>\n</figure>\n", out);
}

void report_plot_durations(FILE *out, const struct tmx_report_row *all, const char *caption)
{
    uint64_t max = 1;
    uint64_t top;

    for (size_t i = 0; i < LATENCY_CLASSES; i++) {
        max = all->arrival.classes[i] > max ? all->arrival.classes[i] : max;
        max = all->outcome.classes[i] > max ? all->outcome.classes[i] : max;
    }
    top = round_up(max);
    begin(out, "durations", caption);
    fputs("<ul class=\"legend\" aria-hidden=\"true\">", out);
    legend_item(out, "arrival", "acceptance to arrival (CoA)");
    legend_item(out, "delivered", "acceptance to outcome");
    fputs("</ul>\n", out);
    begin_chart(out, top, STEP * LATENCY_CLASSES, "Two bars for each class of durations; the table below has the numbers");
    for (size_t i = 0; i < LATENCY_CLASSES; i++) {
        const double arrival = HEIGHT * part(all->arrival.classes[i], top);
        const double outcome = HEIGHT * part(all->outcome.classes[i], top);

        if (arrival > 0) {
            rect(out, "arrival", STEP * (double)i + (STEP - BAR) / 2, HEIGHT - arrival, BAR / 2, arrival);
        }
        if (outcome > 0) {
            rect(out, "delivered", STEP * (double)i + STEP / 2, HEIGHT - outcome, BAR / 2, outcome);
        }
    }
    fputs("</svg><div class=\"x classes\" aria-hidden=\"true\">", out);
    for (size_t i = 0; i < LATENCY_CLASSES; i++) {
        char text[DURATION_TEXT_SIZE];

        tmx_duration_text(tmx_latency_class_ms(i), text);
        if (i % 2 == 0) {
            fprintf(out, "<span>\u2264 %s</span>", text);
        } else {
            fputs("<span></span>", out); /* there is no room for all */
        }
    }
    fputs("</div></div>\n</figure>\n", out);
}

static const struct tmx_report_row *side(const struct tmx_report_member *m, bool received)
{
    return received ? &m->received : &m->sent;
}

void report_plot_members(FILE *out, const struct tmx_report *r, bool received, const char *caption)
{
    uint64_t max = 1;

    for (size_t i = 0; i < r->n_members; i++) {
        const struct tmx_report_row *row = side(r->members[i], received);

        max = row->accepted > max ? row->accepted : max;
    }
    begin(out, received ? "received" : "sent", caption);
    legend_fates(out);
    fputs("<div class=\"bars\" role=\"img\" aria-label=\"A bar for each member; the table below has the numbers\">\n", out);
    for (size_t i = 0; i < r->n_members; i++) {
        const struct tmx_report_row *row = side(r->members[i], received);
        double x = 0;

        fputs("<span>", out);
        html_text(out, row->name);
        fprintf(out, "</span>" SVG "viewBox=\"0 0 %.0f 10\" preserveAspectRatio=\"none\">\n", WIDTH);
        for (size_t f = 0; f < TMX_N(fates); f++) {
            const double width = WIDTH * part(row->fates[fates[f]], max);

            if (width > 0) {
                rect(out, tmx_fate_name(fates[f]), x, 0, width, 10);
                x += width;
            }
        }
        fputs("</svg><span>", out);
        html_count(out, row->accepted);
        fputs("</span>\n", out);
    }
    fputs("</div>\n</figure>\n", out);
}
