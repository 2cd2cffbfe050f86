/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the kubelet's events report. They are read only while something fails. They come late, again
 * and out of order, and one namespace has events about pods of other nodes too: these are ignored.
 */

#include "clock.h"
#include "observation.h"

struct correlate;

/* 0 or -ENOMEM. */
int witness_event(struct correlate *c, const struct event_fact *reported, struct instant now);
