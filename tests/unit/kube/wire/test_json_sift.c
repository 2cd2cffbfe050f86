/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/kube/wire/json_sift.h"
#include "tests/unit/support/fault_heap.h"
#include "util.h"

static const struct json_rule leaf[] = { { .key = "a" }, { .key = NULL } };
static const struct json_rule inner[] = {
    { .key = "text" },
    { .key = "object", .members = leaf },
    { .key = "list", .members = leaf, .is_list = true },
    { .key = "full", .members = leaf, .is_list = true, .drop_empty = true },
    { .key = NULL },
};
static const struct json_rule outer[] = {
    { .key = "kind" },
    { .key = "items", .members = inner, .is_list = true, .units = true },
    { .key = NULL },
};

/* The units that were taken, one a line, then what was left. */
struct taken {
    struct buf text;
    unsigned left_out;
};

static int take(void *self, struct str unit, struct err *err)
{
    struct taken *taken = self;

    (void)err;
    buf_add(&taken->text, unit);
    buf_add_byte(&taken->text, '\n');
    return 0;
}

#define MOST_KEPT 120

/* In pieces of `piece` bytes; each is a copy, so that the sanitizers notice a read beyond it. */
static int sift(struct str text, size_t piece, struct taken *ret, struct err *err)
{
    const struct json_sift_rules rules = { .members = outer,
                                           .most_items = 3,
                                           .most_text = 10,
                                           .most_kept = MOST_KEPT,
                                           .self = ret,
                                           .take = take };
    struct json_sift json;
    struct str left;
    int r = 0;

    *ret = (struct taken){ 0 };
    buf_init(&ret->text, 1 << 16);
    json_sift_init(&json, &rules);
    for (; r == 0 && text.len; text = str_skip(text, piece)) {
        const struct str part = str_head(text, piece);
        char *copy = test_malloc(part.len);

        memcpy(copy, part.at, part.len);
        r = json_sift_feed(&json, (struct str){ .at = copy, .len = part.len }, err);
        test_free(copy);
    }
    if (r == 0)
        r = json_sift_end(&json, &left, err);
    if (r == 0)
        buf_add(&ret->text, left);
    ret->left_out = json.left_out;
    json_sift_done(&json);
    return r;
}

#define ONE(unit) "{\"items\":[" unit "],\"kind\":\"List\"}"
#define KEPT(unit) unit "\n{\"items\":[],\"kind\":\"List\"}"

static void only_members_with_a_rule_are_kept(void **state)
{
    static const struct {
        const char *text, *kept;
    } rows[] = {
        { ONE(""), "{\"items\":[],\"kind\":\"List\"}" },
        { "{\"items\":null}", "{\"items\":null}" },
        { "[]", "[]" },
        { "[{\"kind\":7}]", "[]" },
        { " 7 ", "7" },
        { ONE("{}"), KEPT("{}") },
        { ONE("{\"text\":\"x\",\"other\":\"y\"}"), KEPT("{\"text\":\"x\"}") },
        { ONE("{\"other\":{\"text\":[1,{\"a\":\"]}\\\"\"}]},\"text\" : -1.5e+3 }"),
          KEPT("{\"text\":-1.5e+3}") },
        { ONE("{\"object\":{\"a\":true,\"b\":[[[{}]]]},\"text\":\"\"}"),
          KEPT("{\"object\":{\"a\":true},\"text\":\"\"}") },
        { ONE("{\"list\":[{\"b\":1},{\"a\":2},{}]}"), KEPT("{\"list\":[{},{\"a\":2},{}]}") },
        { ONE("{\"full\":[{\"b\":1},{\"a\":2},{}]}"), KEPT("{\"full\":[{\"a\":2}]}") },
        { ONE("{\"list\":[{},{},{},{},{\"a\":1}]}"), KEPT("{\"list\":[{},{},{}]}") },
        { ONE("{\"full\":[{},{},{},{},{\"a\":1}]}"), KEPT("{\"full\":[{\"a\":1}]}") },
        /* What does not have the type of the rule: for the decoder to refuse. */
        { ONE("{\"object\":[{\"a\":1}],\"list\":{\"a\":1},\"text\":{\"a\":1}}"),
          KEPT("{\"object\":[],\"list\":{},\"text\":{}}") },
        { ONE("{\"list\":[null,[1]]}"), KEPT("{\"list\":[null,[]]}") },
        { ONE("7,\"x\",[{}]"), "7\n\"x\"\n[]\n{\"items\":[],\"kind\":\"List\"}" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (size_t piece = 1; piece < 60; piece++) {
            struct err err = ERR_INIT;
            struct taken taken;

            if (sift(str_from(rows[i].text), piece, &taken, &err) < 0)
                fail_msg("%s: %s", rows[i].text, err.text);
            assert_string_equal(taken.text.at, rows[i].kept);
            buf_done(&taken.text);
        }
    }
}

/* Not in an escape, between two that belong together, or in a UTF-8 sequence. */
static void long_strings_are_cut_where_it_is_valid(void **state)
{
    static const struct {
        const char *text, *kept;
    } rows[] = {
        { "0123456789", "0123456789" },
        { "0123456789a", "0123456789" },
        { "012345678\\\"\\\\\\nz", "012345678\\\"\\\\\\n" },
        { "01234567\\u00e4z", "01234567\\u00e4" },
        { "01234567\\ud83d\\ude00z", "01234567\\ud83d\\ude00" },
        { "012345678\xf0\x9f\x98\x80\xc3\xa4z", "012345678\xf0\x9f\x98\x80\xc3\xa4" },
        { "0123456789a\\\"b", "0123456789" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[200], kept[200];
        struct taken taken;

        snprintf(text, sizeof(text), ONE("{\"text\":\"%s\",\"object\":{}}"), rows[i].text);
        snprintf(kept, sizeof(kept), KEPT("{\"text\":\"%s\",\"object\":{}}"), rows[i].kept);
        assert_int_equal(sift(str_from(text), 3, &taken, NULL), 0);
        assert_string_equal(taken.text.at, kept);
        buf_done(&taken.text);
    }
}

/* The second unit is too large: at each place of it something else is open. */
static void unit_that_does_not_fit_is_left_out_alone(void **state)
{
    static const char first[] = "{\"items\":[{\"text\":\"a\"},{\"text\":\"\\";
    static const char last[] =
        "\",\"list\":[{\"a\":\"]\"},{\"a\":12345678}],\"object\":{\"a\":\"}\"},\"x\":[\"\\\"\"]},"
        "{\"text\":\"c\"}],\"kind\":\"List\"}";

    (void)state;
    for (size_t n = 1; n < MOST_KEPT + 20; n++) {
        struct taken taken;
        struct buf text;

        buf_init(&text, 1 << 16);
        buf_add_text(&text, first);
        for (size_t i = 0; i < n; i++)
            buf_add_text(&text, "\\\\"); /* escapes are never cut */
        buf_add_text(&text, "\\");
        buf_add_text(&text, last);
        for (size_t piece = 1; piece < 50; piece += 7) {
            assert_int_equal(sift(buf_str(&text), piece, &taken, NULL), 0);
            assert_true(str_starts(buf_str(&taken.text), STR("{\"text\":\"a\"}\n")));
            assert_true(str_ends(buf_str(&taken.text), STR(KEPT("{\"text\":\"c\"}"))));
            if (n > MOST_KEPT / 2)
                assert_int_equal(taken.left_out, 1);
            if (taken.left_out)
                assert_string_equal(taken.text.at, "{\"text\":\"a\"}\n" KEPT("{\"text\":\"c\"}"));
            buf_done(&taken.text);
        }
        buf_done(&text);
    }
}

static void too_much_outside_of_units_is_an_error(void **state)
{
    char text[400] = "{\"kind\":\"";
    struct err err = ERR_INIT;
    struct taken taken;

    (void)state;
    for (size_t i = 0; i < 100; i++)
        strcat(text, "\\n");
    assert_int_equal(sift(str_from(text), 1, &taken, &err), -EMSGSIZE);
    assert_string_equal(err.text, "more than 120 bytes of JSON would be kept");
    buf_done(&taken.text);
}

static void damaged_text_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "<html>",
        "{",
        "{\"kind\"",
        "{\"kind\":",
        "{7:1}",
        "{\"kind\" 1}",
        "{\"kind\":}",
        "{\"kind\":1 2}",
        "{\"kind\":1",
        "{} {}",
        "{\"items\":[}",
        "{\"items\":[1,,2]}",
        "{\"items\":[1}",
        "{\"kind\":\"a",
        "{,\"a\":1}",
        "{\"x\":[[[",
        "[1,2",
        "{\"kind\":1,}",
        "{\"items\":[{\"text\":1]]}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = ERR_INIT;
        struct taken taken;

        if (sift(str_from(bad[i]), 1, &taken, &err) != -EPROTO)
            fail_msg("'%s' is accepted", bad[i]);
        assert_true(err.text[0]);
        buf_done(&taken.text);
    }
}

static void memory_is_that_of_what_is_kept(void **state)
{
    const struct json_sift_rules rules = { .members = outer, .most_kept = 1 << 20, .take = take };
    struct json_sift json;

    (void)state;
    json_sift_init(&json, &rules);
    assert_int_equal(json_sift_feed(&json, STR("{\"items\":[{\"other\":["), NULL), 0);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(json_sift_feed(&json, STR("{\"a\":\"\"},\"x\",1,"), NULL), 0);
    assert_true(json.out.size <= 256);
    json_sift_done(&json);
}

static void failed_allocations_are_errors(void **state)
{
    const struct json_sift_rules rules = { .members = outer, .most_kept = 1 << 20, .take = take };
    const size_t live = fault_heap_live();
    size_t n;

    (void)state;
    for (n = 0;; n++) {
        struct json_sift json;
        int r = 0;

        json_sift_init(&json, &rules);
        fault_heap_fail_at(n);
        for (size_t i = 0; i < 400 && r == 0; i++)
            r = json_sift_feed(
                &json, i ? STR("{},") : STR("{\"kind\":\"x\",\"items\":[{\"list\":["), NULL);
        json_sift_done(&json);
        assert_int_equal(fault_heap_live(), live);
        if (!fault_heap_fired())
            break;
        assert_int_equal(r, -ENOMEM);
    }
    assert_true(n > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_members_with_a_rule_are_kept),
        cmocka_unit_test(long_strings_are_cut_where_it_is_valid),
        cmocka_unit_test(unit_that_does_not_fit_is_left_out_alone),
        cmocka_unit_test(too_much_outside_of_units_is_an_error),
        cmocka_unit_test(damaged_text_is_refused),
        cmocka_unit_test(memory_is_that_of_what_is_kept),
        cmocka_unit_test(failed_allocations_are_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
