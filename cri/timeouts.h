/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The deadlines that gRPC measures itself, in real time. They are in a file of
 * their own so that the unit tests can replace them: a test must not fail
 * because the machine is slow (tests/unit/cri/cri_double.c).
 */

#include <stdint.h>

struct cri_timeouts {
    int64_t connect_us;
    int64_t call_us; /* a call about one object */
    int64_t list_us;
};

extern const struct cri_timeouts cri_timeouts;
