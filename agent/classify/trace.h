/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What normalise.c and classify.c report to explain.c besides their results. */

#include "agent/classify/explain.h"

/* normalise(); also adds the wrappers to trace->steps unless `trace` is NULL. */
void normalise_traced(struct str waiting_reason, struct str text, struct message *ret,
                      struct explanation *trace);

/* Adds the best rules that fit a part but did not decide to trace->runners_up. */
void classify_runners_up(const struct message *message, const struct verdict *verdict,
                         struct explanation *trace);
