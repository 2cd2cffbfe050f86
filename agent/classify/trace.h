/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What normalise.c and classify.c tell explain.c beyond their answers. */

#include "agent/classify/explain.h"

/* normalise(), and the wrappers into trace->steps; NULL: without. */
void normalise_traced(struct str waiting_reason, struct str text, struct message *ret,
                      struct explanation *trace);

/* classify(), and the attempt that decided, -1: none. */
struct verdict classify_traced(const struct message *message, int *ret_part);

/* All that fits an attempt but did not decide, the strongest into trace->runners_up. */
void classify_runners_up(const struct message *message, const struct verdict *verdict,
                         struct explanation *trace);
