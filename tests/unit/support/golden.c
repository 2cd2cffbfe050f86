/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"

static void update(const struct buf *text, const char *path)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(text->at, 1, text->len, file), text->len);
    fclose(file);
}

static void read_golden(const char *path, struct buf *ret)
{
    FILE *file = fopen(path, "re");
    char part[4096];
    size_t len;

    if (!file)
        fail_msg("cannot open %s; UPDATE_GOLDEN=1 creates it", path);
    buf_init(ret, 16 << 20);
    while ((len = fread(part, 1, sizeof(part), file)) > 0)
        buf_add(ret, (struct str){ .at = part, .len = len });
    fclose(file);
    assert_int_equal(buf_error(ret), 0);
}

/* The line around `at`. */
static struct str line_around(const char *text, size_t at)
{
    size_t start = at, end = at;

    while (start > 0 && text[start - 1] != '\n')
        start--;
    while (text[end] && text[end] != '\n')
        end++;
    return str_span(text + start, text + end);
}

void assert_golden(const struct buf *text, const char *path)
{
    struct buf golden;
    size_t same = 0, line = 1;

    if (getenv("UPDATE_GOLDEN")) {
        update(text, path);
        return;
    }
    read_golden(path, &golden);
    while (same < text->len && same < golden.len && text->at[same] == golden.at[same])
        line += text->at[same++] == '\n';
    if (same != text->len || same != golden.len) {
        struct str is = line_around(text->at, same), was = line_around(golden.at, same);

        fail_msg("%s:%zu differs\n  file: %.*s\n  now:  %.*s", path, line, STR_ARG(was),
                 STR_ARG(is));
    }
    buf_done(&golden);
}
