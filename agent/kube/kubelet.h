/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is special about reading pods from the kubelet: it has no watch, so its list is polled. */

#include <stdbool.h>
#include <stdint.h>

#define KUBELET_TARGET "/pods"

/* What an operator can do about an HTTP status of the kubelet: ": ..."; "" if nothing is known. */
const char *kubelet_advice(int status);

/*
 * The pause before the next poll: 1 min while no container waits for an image; else 2 s, growing to
 * 5 s. `pause_us` keeps the growing pause; 0 at first.
 */
int64_t kubelet_next_pause_us(int64_t *pause_us, bool waiting);
