/* SPDX-License-Identifier: Apache-2.0
 * The frame of a page, and numbers, times and text in it.
 */
#include <inttypes.h>

#include <tmx/text.h>

#include "html.h"
#include "latency.h"

#define TEXT_MAX 251u
#define THIN_SPACE "\u202f" /* between groups of digits; no line ends there */

/* Colours have 4.5:1 to what they are on, in both schemes; those of the plots 3:1. */
static const char *const style[] = {
    ":root{color-scheme:light dark;--page:#fff;--text:#1b1f24;--soft:#59616b;--line:#d5d9de;--band:#f5f6f8;",
    "--delivered:#1f6fb4;--refused:#b35900;--expired:#8a4fa3;--exception:#c4262e;--open:#7a828c;--arrival:#2a8577}",
    "@media (prefers-color-scheme:dark){:root{--page:#14171a;--text:#e6e8eb;--soft:#a3abb5;--line:#3a4048;--band:#1d2125;",
    "--delivered:#5aa9e6;--refused:#e6994a;--expired:#c493dc;--exception:#ff7070;--open:#8b949e;--arrival:#56bfae}}",
    "*{box-sizing:border-box}",
    "body{margin:0 auto;padding:1rem;max-width:76rem;font:1rem/1.5 system-ui,sans-serif;background:var(--page);"
    "color:var(--text)}",
    "h1{font-size:1.6rem;line-height:1.2;margin:0 0 .5rem;overflow-wrap:anywhere}",
    "h2{font-size:1.2rem;margin:2.5rem 0 .5rem;padding-top:.5rem;border-top:1px solid var(--line)}",
    "p{max-width:48rem;margin:.5rem 0}.soft,figcaption,caption{color:var(--soft)}code{overflow-wrap:anywhere}",
    "dl{margin:.5rem 0}dt{color:var(--soft)}dd{margin:0}",
    ".facts{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}.facts dd{overflow-wrap:anywhere}",
    ".totals{display:grid;grid-template-columns:repeat(auto-fit,minmax(max(8rem,18%),1fr));gap:.5rem;margin:1rem 0}",
    ".totals div{background:var(--band);border:1px solid var(--line);border-radius:.4rem;padding:.4rem .7rem}",
    ".totals dt{font-size:.85rem}.totals dd{font-size:1.5rem;line-height:1.2;font-variant-numeric:tabular-nums}",
    "figure{margin:1rem 0}figcaption{margin-bottom:.3rem;max-width:48rem}",
    ".legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin:.3rem 0 .8rem;padding:0;font-size:.85rem}",
    ".legend svg{width:.8rem;height:.8rem;margin-right:.35rem;vertical-align:-.1rem}",
    "rect{vector-effect:non-scaling-stroke}",
    ".delivered{fill:var(--delivered)}.refused{fill:var(--refused)}.expired{fill:var(--expired)}",
    ".exception{fill:var(--exception)}.open{fill:var(--open)}.arrival{fill:var(--arrival)}",
    ".grid{stroke:var(--line);stroke-width:1;vector-effect:non-scaling-stroke}",
    ".chart{display:grid;grid-template-columns:max-content 1fr;column-gap:.4rem;font-size:.8rem;color:var(--soft);"
    "line-height:1;font-variant-numeric:tabular-nums}",
    ".chart svg{width:100%;height:13rem;display:block}",
    ".chart .y{display:flex;flex-direction:column;justify-content:space-between;text-align:right;margin:-.4rem 0}",
    ".chart .x{grid-column:2;display:flex;justify-content:space-between;margin-top:.4rem;gap:.5rem}",
    ".chart .classes{display:grid;grid-template-columns:repeat(14,minmax(0,1fr));gap:0}",
    ".classes span{display:flex;justify-content:center;white-space:nowrap}",
    ".bars{display:grid;grid-template-columns:max-content 1fr max-content;gap:.25rem .6rem;align-items:center;"
    "line-height:1;font-size:.9rem;font-variant-numeric:tabular-nums}",
    ".bars svg{width:100%;height:1.1rem;display:block}.bars span:nth-child(3n){text-align:right}",
    ".scroll{overflow-x:auto;margin:.5rem 0}.scroll:focus-visible{outline:2px solid var(--delivered)}",
    "table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}",
    "caption{text-align:left;padding:.3rem 0}",
    "th,td{padding:.2rem .5rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}",
    "thead th{vertical-align:bottom;font-weight:600;white-space:normal;line-height:1.2}tbody th{font-weight:600;position:sticky;left:0;"
    "background:var(--page)}th:first-child,.text{text-align:left}.zero{color:var(--soft)}",
    "td.long{white-space:normal;min-width:16rem}.all>*{border-top:2px solid var(--soft)}",
    "@media (max-width:40rem){.classes span:nth-child(4n+3){visibility:hidden}}",
    "@media print{@page{size:A4 landscape;margin:12mm}:root{color-scheme:light;--page:#fff;--text:#000;--soft:#444;"
    "--line:#bbb;--band:#fff;--delivered:#1f6fb4;--refused:#b35900;--expired:#8a4fa3;--exception:#c4262e;--open:#7a828c;"
    "--arrival:#2a8577}body{font-size:9.5pt;max-width:none;padding:0}.scroll{overflow:visible}tbody th{position:static}",
    "h2,caption,figcaption{break-after:avoid}figure,tr{break-inside:avoid}thead{display:table-header-group}}",
};

void html_text(FILE *out, const char *text)
{
    char printable[TEXT_MAX];

    tmx_printable(tmx_bytes_str(text), printable, sizeof printable);
    for (const char *c = printable; *c != '\0'; c++) {
        switch (*c) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            fputc(*c, out);
        }
    }
}

void html_count(FILE *out, uint64_t n)
{
    char digits[24];
    const int size = snprintf(digits, sizeof digits, "%" PRIu64, n);

    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0) {
            fputs(THIN_SPACE, out);
        }
        fputc(digits[i], out);
    }
}

void html_duration(FILE *out, uint64_t ms)
{
    char text[DURATION_TEXT_SIZE];

    tmx_duration_text(ms, text);
    fprintf(out, "<data value=\"%" PRIu64 "\">%s</data>", ms, text);
}

void html_time(FILE *out, uint64_t ms)
{
    char text[TMX_TIME_TEXT_SIZE];

    tmx_time_text(ms, text);
    fprintf(out, "<time datetime=\"%s\">%.10s %.8s</time>", text, text, text + 11);
}

void html_minute(FILE *out, uint64_t ms)
{
    char text[TMX_TIME_TEXT_SIZE];

    tmx_time_text(ms, text);
    fprintf(out, "<time datetime=\"%s\">%.10s %.5s</time>", text, text, text + 11);
}

void html_begin(FILE *out, const char *title, const char *of)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
          "<title>", out);
    fprintf(out, "%s: ", title);
    html_text(out, of);
    fputs("</title>\n<style>\n", out);
    for (size_t i = 0; i < TMX_N(style); i++) {
        fprintf(out, "%s\n", style[i]);
    }
    fprintf(out, "</style>\n</head>\n<body>\n<header>\n<h1>%s: ", title);
    html_text(out, of);
    fputs("</h1>\n", out);
}

void html_end(FILE *out)
{
    fputs("</body>\n</html>\n", out);
}

void html_table_begin(FILE *out, const char *id, const char *caption, const char *const *columns)
{
    fprintf(out, "<div class=\"scroll\" role=\"region\" aria-labelledby=\"%s-caption\" tabindex=\"0\">\n", id);
    fprintf(out, "<table id=\"%s\">\n<caption id=\"%s-caption\">%s</caption>\n<thead><tr>", id, id, caption);
    for (; *columns != NULL; columns++) {
        fprintf(out, "<th scope=\"col\">%s</th>", *columns);
    }
    fputs("</tr></thead>\n<tbody>\n", out);
}

void html_table_end(FILE *out)
{
    fputs("</tbody>\n</table>\n</div>\n", out);
}

void html_row(FILE *out, const char *name, bool total)
{
    fputs(total ? "<tr class=\"all\"><th scope=\"row\">" : "<tr><th scope=\"row\">", out);
    html_text(out, name);
    fputs("</th>", out);
}

void html_cell_count(FILE *out, uint64_t n)
{
    fputs(n == 0 ? "<td class=\"zero\">" : "<td>", out);
    html_count(out, n);
    fputs("</td>", out);
}

void html_cell_duration(FILE *out, bool there, uint64_t ms)
{
    fputs(there ? "<td>" : "<td class=\"zero\">\u2013", out);
    if (there) {
        html_duration(out, ms);
    }
    fputs("</td>", out);
}

void html_cell_time(FILE *out, bool there, uint64_t ms)
{
    fputs(there ? "<td>" : "<td class=\"zero\">\u2013", out);
    if (there) {
        html_time(out, ms);
    }
    fputs("</td>", out);
}

void html_cell_text(FILE *out, const char *text)
{
    fputs("<td class=\"text\">", out);
    html_text(out, text);
    fputs("</td>", out);
}
