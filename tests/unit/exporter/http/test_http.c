/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exporter/http/http.h"

static void escapes_are_decoded(void **state)
{
    static const struct {
        const char *segment, *name;
    } samples[] = {
        { "web-0", "web-0" },     { "", "" },        { "a%2Fb", "a/b" }, { "%41%5a%5A", "AZZ" },
        { "100%25", "100%" },     { "a+b", "a+b" }, /* '+' is a space in forms only */
        { "%c3%bc", "\xc3\xbc" }, { "%FF", "\xff" },
    };
    char name[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        assert_true(http_unescape(str_from(samples[i].segment), name, sizeof(name)));
        assert_string_equal(name, samples[i].name);
    }
}

static void broken_escapes_are_refused(void **state)
{
    static const char *const segments[] = { "%",   "%4",   "a%",  "a%4",   "%zz", "%4z",
                                            "%z4", "%%41", "%00", "a%00b", "%-1", "% 1" };
    char name[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(segments); i++)
        assert_false(http_unescape(str_from(segments[i]), name, sizeof(name)));
}

static void a_long_name_is_refused(void **state)
{
    char name[8];

    (void)state;
    assert_true(http_unescape(STR("1234567"), name, sizeof(name)));
    assert_false(http_unescape(STR("12345678"), name, sizeof(name)));
    assert_true(http_unescape(STR("%31%32%33%34%35%36%37"), name, sizeof(name)));
    assert_false(http_unescape(STR("%31%32%33%34%35%36%37%38"), name, sizeof(name)));
}

/* Nothing after the end of the view is read, even in an escape. */
static void nothing_after_the_segment_is_read(void **state)
{
    char name[8];

    (void)state;
    assert_false(http_unescape(str_head(STR("a%41"), 3), name, sizeof(name)));
    assert_false(http_unescape(str_head(STR("a%41"), 2), name, sizeof(name)));
}

static void html_is_escaped(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1024);
    http_add_html(&out, "<script>alert('1' & \"2\")</script>");
    assert_string_equal(out.at,
                        "&lt;script&gt;alert(&#39;1&#39; &amp; &quot;2&quot;)&lt;/script&gt;");
    buf_done(&out);
}

static void http_text_replaces_the_answer(void **state)
{
    struct http_response response = { .status = HTTP_OK };

    (void)state;
    buf_init(&response.body, 100);
    buf_add(&response.body, STR("half an answer"));
    http_text(&response, HTTP_NOT_FOUND, "no %s", "such thing");
    assert_int_equal(response.status, HTTP_NOT_FOUND);
    assert_string_equal(response.content_type, HTTP_TEXT);
    assert_string_equal(response.body.at, "no such thing\n");
    buf_done(&response.body);
}

static void only_get_and_head_read(void **state)
{
    static const char *const others[] = { "POST", "PUT", "DELETE", "get", "GETX", "" };

    (void)state;
    assert_true(http_reads(&(struct http_request){ .method = "GET" }));
    assert_true(http_reads(&(struct http_request){ .method = "HEAD" }));
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_false(http_reads(&(struct http_request){ .method = others[i] }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(broken_escapes_are_refused),
        cmocka_unit_test(a_long_name_is_refused),
        cmocka_unit_test(nothing_after_the_segment_is_read),
        cmocka_unit_test(html_is_escaped),
        cmocka_unit_test(http_text_replaces_the_answer),
        cmocka_unit_test(only_get_and_head_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
