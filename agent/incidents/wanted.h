/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the table would like the sources to read next: correlate_wanted() is in wanted.c too. */

#include "clock.h"

struct correlate;

/*
 * Counts what the limits on wanted images and event namespaces leave out now. Each container and
 * each pod counts when it is left out, and not again while it stays so.
 */
void wanted_count_left_out(struct correlate *c, struct instant now);
