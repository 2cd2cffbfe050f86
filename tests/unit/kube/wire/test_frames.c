/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/kube/wire/frames.h"
#include "buf.h"
#include "wire.h"

static void add_frame(struct buf *stream, size_t len, char fill)
{
    const char header[4] = { (char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len };

    buf_add(stream, (struct str){ .at = header, .len = 4 });
    for (size_t i = 0; i < len; i++)
        buf_add_byte(stream, fill);
}

/* Lengths at which something could be off by one. */
static const size_t lengths[] = { 0, 1, 3, 4, 5, 4091, 4092, 4093, 0, 70000, 2 };

static void chunks_of_any_length_give_the_same_frames(void **state)
{
    struct buf stream;

    (void)state;
    buf_init(&stream, 1 << 20);
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
        add_frame(&stream, lengths[i], (char)('a' + i));

    for (size_t chunk = 1; chunk < 5000; chunk = chunk * 3 / 2 + 1) {
        struct frames frames;
        struct err err = ERR_INIT;
        size_t seen = 0, len = 0;

        frames_init(&frames, 70000);
        for (struct str rest = buf_str(&stream); rest.len; rest = str_skip(rest, chunk)) {
            struct str bytes = str_head(rest, chunk), part;
            bool ends;
            int r;

            while ((r = frames_next(&frames, &bytes, &part, &ends, &err)) > 0) {
                assert_true(seen < ARRAY_SIZE(lengths));
                for (size_t i = 0; i < part.len; i++)
                    assert_int_equal(part.at[i], 'a' + (int)seen);
                len += part.len;
                if (!ends)
                    continue;
                assert_int_equal(len, lengths[seen]);
                seen++;
                len = 0;
            }
            assert_int_equal(r, 0);
            assert_int_equal(bytes.len, 0);
        }
        assert_int_equal(seen, ARRAY_SIZE(lengths));
        assert_int_equal(frames_pending(&frames), 0);
    }
    buf_done(&stream);
}

static void frame_over_the_limit_is_refused_before_it_is_read(void **state)
{
    struct str whole = STR("\0\0\0\5hello"), part = STR("\0\0"), bytes;
    struct frames frames;
    struct err err = ERR_INIT;
    bool ends;

    (void)state;
    frames_init(&frames, 4);
    assert_int_equal(frames_next(&frames, &whole, &bytes, &ends, &err), -EMSGSIZE);
    assert_string_equal(err.text, "a watch frame of 5 bytes is over the limit of 4");

    frames_restart(&frames);
    assert_int_equal(frames_next(&frames, &part, &bytes, &ends, &err), 0);
    part = STR("\0\5");
    assert_int_equal(frames_next(&frames, &part, &bytes, &ends, &err), -EMSGSIZE);
}

static void restart_drops_the_incomplete_frame(void **state)
{
    struct str part = STR("\0\0\0\5hel"), whole = STR("\0\0\0\2ok"), bytes;
    struct frames frames;
    bool ends;

    (void)state;
    frames_init(&frames, 100);
    assert_int_equal(frames_next(&frames, &part, &bytes, &ends, NULL), 1);
    assert_false(ends);
    assert_int_equal(frames_next(&frames, &part, &bytes, &ends, NULL), 0);
    assert_int_equal(frames_pending(&frames), 7);
    frames_restart(&frames);
    assert_int_equal(frames_pending(&frames), 0);
    assert_int_equal(frames_next(&frames, &whole, &bytes, &ends, NULL), 1);
    assert_true(ends);
    assert_true(str_eq(bytes, STR("ok")));
}

static void fields_of_each_type_are_read(void **state)
{
    struct str message = STR("\x08\x96\x01"
                             "\x12\x02hi"
                             "\x19"
                             "12345678"
                             "\x25"
                             "1234");
    static const struct wire_field expected[] = {
        { .number = 1, .type = WIRE_VARINT, .varint = 150 },
        { .number = 2, .type = WIRE_BYTES },
        { .number = 3, .type = WIRE_FIXED64 },
        { .number = 4, .type = WIRE_FIXED32 },
    };
    struct wire_field field;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_int_equal(wire_next(&message, &field), 1);
        assert_int_equal(field.number, expected[i].number);
        assert_int_equal(field.type, expected[i].type);
        assert_int_equal(field.varint, expected[i].varint);
        assert_true(str_eq(field.bytes, i == 1 ? STR("hi") : STR("")));
    }
    assert_int_equal(wire_next(&message, &field), 0);
}

static void malformed_protobuf_is_refused(void **state)
{
    static const struct str bad[] = {
        STR("\x0a"),                                         /* no length */
        STR("\x0a\x02x"),                                    /* shorter than its length */
        STR("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* 2^64-1 bytes */
        STR("\x08\x80"),                                     /* a varint that does not end */
        STR("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
        STR("\x0b"),     /* a group */
        STR("\x0f"),     /* an unknown type */
        STR("\x02\x00"), /* field 0 */
        STR("\x19"
            "1234"),                             /* half of a fixed64 */
        STR("\xfa\xff\xff\xff\xff\xff\x01\x00"), /* a field number over 2^29 */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct str rest = bad[i];
        struct wire_field field = { .number = 77 };

        assert_int_equal(wire_next(&rest, &field), -EPROTO);
        assert_int_equal(field.number, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_of_any_length_give_the_same_frames),
        cmocka_unit_test(frame_over_the_limit_is_refused_before_it_is_read),
        cmocka_unit_test(restart_drops_the_incomplete_frame),
        cmocka_unit_test(fields_of_each_type_are_read),
        cmocka_unit_test(malformed_protobuf_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
