/* SPDX-License-Identifier: Apache-2.0
 * What must hold of every bundle that somebody changed who cannot sign.
 */
#pragma once

#include "../../broker/audit/evidence.h"

/* It has a fault, or proves no more of the same message than the whole one. */
bool evidence_no_stronger(const struct tmx_evidence *changed, const struct tmx_evidence *whole);
