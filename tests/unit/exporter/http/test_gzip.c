/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "buf.h"
#include "err.h"
#include "exporter/http/gzip.h"
#include "tests/unit/support/fault_heap.h"

/* Decompresses with zlib. */
static void assert_unpacks_to(const struct buf *packed, struct str text)
{
    static unsigned char unpacked[1 << 20];
    z_stream stream = {
        .next_in = (unsigned char *)packed->at,
        .avail_in = (unsigned)packed->len,
        .next_out = unpacked,
        .avail_out = sizeof(unpacked),
    };

    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.avail_in, 0);
    assert_int_equal(stream.total_out, text.len);
    assert_memory_equal(unpacked, text.at, text.len);
    inflateEnd(&stream);
}

static void fill(struct buf *body, size_t len, bool random)
{
    uint32_t seed = 7;

    buf_init(body, 1 << 20);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        buf_add_byte(body, random ? (char)(seed >> 24) : (char)('a' + i % 26));
    }
}

static void bodies_of_all_sizes_survive(void **state)
{
    static const size_t sizes[] = {
        1, 2, 255, 1023, 1024, 8191, 8192, 8193, 65535, 65536, 1000000
    };

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
        struct buf body, original;

        fill(&original, sizes[i / 2], i % 2);
        fill(&body, sizes[i / 2], i % 2);
        assert_int_equal(gzip_replace(&body, NULL), 0);
        assert_unpacks_to(&body, buf_str(&original));
        assert_int_equal(body.at[body.len], '\0');
        buf_done(&body);
        buf_done(&original);
    }
}

static void an_empty_body_is_compressed(void **state)
{
    struct buf body;

    (void)state;
    buf_init(&body, 100);
    assert_int_equal(gzip_replace(&body, NULL), 0);
    assert_unpacks_to(&body, STR(""));
    buf_done(&body);
}

static void without_memory_the_body_is_unchanged(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        struct err err = ERR_INIT;
        struct buf body;
        int r;

        fill(&body, 5000, false);
        fault_heap_fail_at(n);
        r = gzip_replace(&body, &err);
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_string_equal(err.text, "no memory to compress 5000 bytes");
            assert_int_equal(body.len, 5000);
            assert_memory_equal(body.at, "abcdef", 6);
        } else if (fault_heap_fired()) {
            assert_true(body.len < 5000); /* only the realloc() to the final size failed */
        }
        buf_done(&body);
        assert_int_equal(fault_heap_live(), 0);
        if (!fault_heap_fired()) {
            assert_true(n > 3);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_of_all_sizes_survive),
        cmocka_unit_test(an_empty_body_is_compressed),
        cmocka_unit_test(without_memory_the_body_is_unchanged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
