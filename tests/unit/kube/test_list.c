/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/read_list.h"
#include "tests/unit/kube/kube_story.h"
#include "tests/unit/support/fault_heap.h"

#define NODE "lab-node"

struct reader {
    struct story story;
    struct intake intake;
};

static void reader_init(struct reader *reader, enum kube_resource resource)
{
    story_init(&reader->story);
    intake_init(&reader->intake, resource, &reader->story.sink, NODE);
}

static void reader_done(struct reader *reader)
{
    intake_done(&reader->intake);
    story_done(&reader->story);
}

static void assert_list_matches(enum kube_resource resource, const char *name, const char *expected,
                                const char *version)
{
    struct str token = STR("untouched");
    struct reader reader;
    struct err err = ERR_INIT;
    struct buf body;

    reader_init(&reader, resource);
    recording_read(name, &body);
    if (list_take(&reader.intake, buf_str(&body), true, &token, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    assert_int_equal(token.len, 0);
    story_assert_is(&reader.story, expected);
    assert_string_equal(reader.intake.resource_version, version);
    buf_done(&body);
    reader_done(&reader);
}

static void pod_list_matches_its_json(void **state)
{
    (void)state;
    assert_list_matches(KUBE_PODS, "pods.list.pb", "pods.list.expected",
                        with_facts("{list_version}"));
    assert_list_matches(KUBE_PODS, "crio/pods.list.pb", "crio/pods.list.expected", "1248");
}

static void event_list_matches_its_json(void **state)
{
    (void)state;
    assert_list_matches(KUBE_EVENTS, "events.list.pb", "events.list.expected",
                        with_facts("{list_version}"));
}

static void page_does_not_end_the_list(void **state)
{
    struct str token = { 0 };
    struct reader reader;
    struct err err = ERR_INIT;
    struct buf body;

    (void)state;
    reader_init(&reader, KUBE_PODS);
    recording_read("pods.list.page1.pb", &body);
    assert_int_equal(list_take(&reader.intake, buf_str(&body), true, &token, &err), 0);
    assert_true(token.len > 20);
    assert_int_equal(story_count(&reader.story, "PODS_BEGIN"), 1);
    assert_int_equal(story_count(&reader.story, "POD "), 5);
    assert_int_equal(story_count(&reader.story, "PODS_END"), 0);
    assert_string_equal(reader.intake.resource_version, "");

    /* The next page belongs to the same list. */
    assert_int_equal(list_take(&reader.intake, buf_str(&body), false, &token, &err), 0);
    assert_int_equal(story_count(&reader.story, "PODS_BEGIN"), 1);
    buf_done(&body);
    reader_done(&reader);
}

static void assert_refused(enum kube_resource resource, struct str body, const char *text)
{
    struct str token = STR("untouched");
    struct reader reader;
    struct err err = ERR_INIT;

    reader_init(&reader, resource);
    assert_int_equal(list_take(&reader.intake, body, true, &token, &err), -EPROTO);
    if (!str_find(str_from(err.text), str_from(text)))
        fail_msg("\"%s\" does not contain \"%s\"", err.text, text);
    assert_true(str_eq(token, STR("untouched")));
    assert_int_equal(story_count(&reader.story, "PODS_END"), 0);
    reader_done(&reader);
}

static void error_names_what_came_instead_of_a_list(void **state)
{
    struct buf body, response;

    (void)state;
    recording_read("pods.list.pb", &body);
    recording_read("answers/anonymous-403.http", &response);
    assert_refused(KUBE_PODS, STR(""), "an empty object");
    assert_refused(KUBE_PODS, STR("<html>hello"),
                   "11 bytes are not a Kubernetes object in protobuf: '<html>hello'");
    assert_refused(KUBE_PODS, recording_body(&response),
                   "not a Kubernetes object in protobuf: '{\"kind\":\"Status\"");
    assert_refused(KUBE_EVENTS, buf_str(&body), "received 'PodList' instead of 'EventList'");
    assert_refused(KUBE_PODS, STR("k8s\0\x0a\x09\x12\x07PodList\x12\x02\x0a\x09"),
                   "a list is not valid protobuf");
    assert_refused(KUBE_PODS, STR("k8s\0\x0a\x09\x12\x07PodList\x12\x00"),
                   "a resourceVersion of 0");
    assert_refused(KUBE_PODS, STR("k8s\0\x0a\x09\x12\x07PodList\x1a\x04gzip"),
                   "unknown encoding 'gzip'");
    buf_done(&response);
    buf_done(&body);
}

/* Otherwise the pods in the missing part would be removed. */
static void list_cut_at_any_byte_is_not_ended(void **state)
{
    struct buf body;

    (void)state;
    recording_read("pods.list.pb", &body);
    for (size_t len = 0; len < body.len; len += len < 300 ? 1 : 499)
        assert_refused(KUBE_PODS, str_head(buf_str(&body), len), "");
    buf_done(&body);
}

static void corrupt_bytes_are_read_or_refused(void **state)
{
    struct buf body;

    (void)state;
    recording_read("pods.list.page1.pb", &body);
    for (size_t i = 0; i < body.len; i += 3) {
        struct reader reader;
        struct err err = ERR_INIT;
        struct str token;

        body.at[i] = (char)(body.at[i] ^ 0x2a);
        reader_init(&reader, KUBE_PODS);
        assert_true(list_take(&reader.intake, buf_str(&body), true, &token, &err) == 0 ||
                    err.text[0] != '\0');
        reader_done(&reader);
        body.at[i] = (char)(body.at[i] ^ 0x2a);
    }
    buf_done(&body);
}

static void add_field(struct buf *to, unsigned number, struct str bytes)
{
    size_t len = bytes.len;

    buf_add_byte(to, (char)(number << 3 | 2));
    for (; len >= 0x80; len >>= 7)
        buf_add_byte(to, (char)(len | 0x80));
    buf_add_byte(to, (char)len);
    buf_add(to, bytes);
}

/* A PodList with a pod 'a', one of which a MiB would be kept, and a pod 'c'. */
static void make_list_with_a_large_pod(struct buf *ret)
{
    static char image[30000];
    struct buf spec, large, list, unknown;

    buf_init(&spec, 4 << 20);
    buf_init(&large, 4 << 20);
    buf_init(&list, 4 << 20);
    buf_init(&unknown, 4 << 20);
    buf_init(ret, 4 << 20);
    memset(image, 'i', sizeof(image));
    for (size_t i = 0; i < 40; i++) {
        struct buf container;

        buf_init(&container, 1 << 20);
        add_field(&container, 2, (struct str){ .at = image, .len = sizeof(image) });
        add_field(&spec, 2, buf_str(&container));
        buf_done(&container);
    }
    add_field(&large, 1,
              STR("\x0a\x01"
                  "b"
                  "\x2a\x01"
                  "b"));
    add_field(&large, 2, buf_str(&spec));
    add_field(&list, 1,
              STR("\x12\x01"
                  "7"));
    add_field(&list, 2,
              STR("\x0a\x06\x0a\x01"
                  "a"
                  "\x2a\x01"
                  "a"));
    add_field(&list, 2, buf_str(&large));
    add_field(&list, 2,
              STR("\x0a\x06\x0a\x01"
                  "c"
                  "\x2a\x01"
                  "c"));
    add_field(&unknown, 1, STR("\x12\x07PodList"));
    add_field(&unknown, 2, buf_str(&list));
    buf_add(ret, STR("k8s\0"));
    buf_add(ret, buf_str(&unknown));
    buf_done(&unknown);
    buf_done(&list);
    buf_done(&large);
    buf_done(&spec);
}

static void pod_that_is_too_large_is_left_out_alone_and_counted(void **state)
{
    struct str token = { 0 };
    struct reader reader;
    struct err err = ERR_INIT;
    struct buf body;

    (void)state;
    make_list_with_a_large_pod(&body);
    reader_init(&reader, KUBE_PODS);
    if (list_take(&reader.intake, buf_str(&body), true, &token, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(story_count(&reader.story, "POD "), 2);
    assert_int_equal(story_count(&reader.story, "PODS_END"), 1);
    assert_int_equal(reader.story.limit_hits[LIMIT_HIT_LIST_BODY], 1);
    reader_done(&reader);
    buf_done(&body);
}

static void failed_allocations_are_errors(void **state)
{
    struct buf body;
    size_t n;

    (void)state;
    recording_read("pods.list.pb", &body);
    for (n = 0;; n++) {
        const size_t live = fault_heap_live();
        struct err err = ERR_INIT;
        struct reader reader;
        struct str token;
        bool fired;
        int r;

        reader_init(&reader, KUBE_PODS);
        reader.story.text.max = 0; /* the story must not allocate */
        fault_heap_fail_at(n);
        r = list_take(&reader.intake, buf_str(&body), true, &token, &err);
        fired = fault_heap_fired();
        reader_done(&reader);
        assert_int_equal(fault_heap_live(), live);
        if (!fired)
            break;
        assert_int_equal(r, -ENOMEM);
    }
    assert_true(n > 0);
    buf_done(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pod_list_matches_its_json),
        cmocka_unit_test(event_list_matches_its_json),
        cmocka_unit_test(page_does_not_end_the_list),
        cmocka_unit_test(error_names_what_came_instead_of_a_list),
        cmocka_unit_test(list_cut_at_any_byte_is_not_ended),
        cmocka_unit_test(corrupt_bytes_are_read_or_refused),
        cmocka_unit_test(pod_that_is_too_large_is_left_out_alone_and_counted),
        cmocka_unit_test(failed_allocations_are_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
