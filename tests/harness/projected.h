/* SPDX-License-Identifier: Apache-2.0
 * Does a broker hold what its log gives? Between the auditor's state machine and the broker's tables, page by page, as
 * tmx-audit fold compares them (I8). For tests that have both: the simulator, the fuzzer of the broker.
 */
#pragma once

#include "../../broker/audit/rows.h"
#include "broker.h"

#define PROJECTED_WHY_MAX 200u

/* `a` has checked the whole log of `b`. False: why holds the first difference. */
bool projected(const struct tmx_audit *a, struct tmx_broker *b, char why[PROJECTED_WHY_MAX]);
