/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/cri/decode_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limit.h"

int decode_world_new(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (!world)
        return -1;
    arena_init(&world->arena, LIMIT_DECODE_ARENA);
    *state = world;
    return 0;
}

int decode_world_free(void **state)
{
    struct world *world = *state;

    arena_done(&world->arena);
    free(world);
    return 0;
}

struct str recorded(struct world *world, const char *path)
{
    FILE *file = fopen(path, "r");
    struct str bytes = { .at = world->file };

    assert_non_null(file);
    bytes.len = fread(world->file, 1, sizeof(world->file), file);
    assert_true(bytes.len < sizeof(world->file));
    assert_true(bytes.len > 0 || strstr(path, "image-absent"));
    fclose(file);
    return bytes;
}

void assert_text(struct str text, const char *expected)
{
    if (!str_eq(text, str_from(expected)))
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(text), expected);
}
