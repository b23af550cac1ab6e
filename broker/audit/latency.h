/* SPDX-License-Identifier: Apache-2.0
 * Durations, counted on a logarithmic scale: memory is the same however many there are. Milliseconds.
 */
#pragma once

#include <tmx/bytes.h>

#define LATENCY_BUCKETS 528u /* exact below 32 ms, then 16 for each doubling, to two years */
#define LATENCY_CLASSES 14u  /* for people: at most 100 ms, 300 ms, 1 s …, and more than 7 days */

struct tmx_latency {
    uint64_t n;
    uint64_t max_ms;
    uint64_t classes[LATENCY_CLASSES];
    uint64_t buckets[LATENCY_BUCKETS];
};

void tmx_latency_add(struct tmx_latency *l, uint64_t ms);
/* What `percent` (1 to 99) of them do not exceed: the least such, or up to a sixteenth more. 0 when there are none. */
uint64_t tmx_latency_percentile(const struct tmx_latency *l, unsigned percent);
/* What those of a class do not exceed; 0 for the last, which has no end. */
uint64_t tmx_latency_class_ms(size_t class);

/* "850 ms", "1.2 s", "20 min", "3.4 h", "2 d": rounded to a tenth. */
#define DURATION_TEXT_SIZE 24
void tmx_duration_text(uint64_t ms, char ret_text[DURATION_TEXT_SIZE]);
