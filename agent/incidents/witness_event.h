/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the kubelet's events report. They are read only while something fails. They can come late,
 * twice and out of order. A namespace also has events about pods of other nodes, which are ignored.
 */

#include "clock.h"
#include "observation.h"

struct correlate;

/* 0 or -ENOMEM. */
int witness_event(struct correlate *c, const struct event_fact *reported, struct instant now);
