/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the tests of the decoders share: the memory for an answer, and recorded answers. */

#include "arena.h"
#include "err.h"
#include "str.h"

#define RECORDED_1_6 "tests/data/cri/containerd-1.6/"
#define RECORDED_1_7 "tests/data/cri/containerd-1.7/"
#define RECORDED_2_1 "tests/data/cri/containerd-2.1/"

struct world {
    struct arena arena;
    struct err err;
    char file[65536]; /* the last recorded answer */
};

/* Setup and teardown for cmocka. */
int decode_world_new(void **state);
int decode_world_free(void **state);
#define DECODE_TEST(test) cmocka_unit_test_setup_teardown(test, decode_world_new, decode_world_free)

/* The recorded answer in this file; only that for an absent image is empty. Valid until the next
 * one. */
struct str recorded(struct world *world, const char *path);

void assert_text(struct str text, const char *expected);
