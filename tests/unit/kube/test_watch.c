/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/kube/watch.h"
#include "limit.h"
#include "tests/unit/kube/kube_story.h"
#include "tests/unit/support/fault_heap.h"

#define NODE "lab-node"

/* A watch stream that is read into a story. */
struct reader {
    struct story story;
    struct intake intake;
    struct watch watch;
};

static void reader_init(struct reader *reader, enum kube_resource resource, bool initial)
{
    story_init(&reader->story);
    intake_init(&reader->intake, resource, &reader->story.sink, NODE);
    watch_init(&reader->watch, &reader->intake);
    watch_begin(&reader->watch, initial);
}

static void reader_done(struct reader *reader)
{
    watch_done(&reader->watch);
    intake_done(&reader->intake);
    story_done(&reader->story);
}

/* The length of the next chunk, from a fixed sequence. */
static size_t random_length(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % 9000 + 1;
}

/* `chunk` 0: random lengths. Each chunk is a copy, so that the sanitizers notice a read beyond it
 * and a pointer that is kept. */
static int feed_in_chunks(struct watch *watch, struct str bytes, size_t chunk, struct err *err)
{
    uint32_t state = 7;
    int r = 0;

    while (bytes.len && r == 0) {
        const struct str part = str_head(bytes, chunk ? chunk : random_length(&state));
        char *copy = test_malloc(part.len);

        memcpy(copy, part.at, part.len);
        r = watch_feed(watch, (struct str){ .at = copy, .len = part.len }, err);
        test_free(copy);
        bytes = str_skip(bytes, part.len);
    }
    return r;
}

static void read_whole(struct reader *reader, const char *name)
{
    struct err err = ERR_INIT;
    struct buf bytes;

    recording_read(name, &bytes);
    if (watch_feed(&reader->watch, buf_str(&bytes), &err) < 0)
        fail_msg("%s: %s", name, err.text);
    assert_int_equal(frames_pending(&reader->watch.frames), 0);
    buf_done(&bytes);
}

static void pod_watch_matches_its_json(void **state)
{
    struct reader reader;

    (void)state;
    reader_init(&reader, KUBE_PODS, false);
    read_whole(&reader, "pods.watch.pb");
    story_assert_is(&reader.story, "pods.watch.expected");
    assert_int_equal(reader.watch.changes, recording_fact("", "watch_frames"));
    reader_done(&reader);
}

/* Every event of the list was also in the watch. */
static void assert_watch_has_the_list(const char *watch, const char *list)
{
    struct reader reader;
    struct buf expected;
    struct str rest;
    size_t lines = 0;

    reader_init(&reader, KUBE_EVENTS, false);
    read_whole(&reader, watch);
    recording_read(list, &expected);
    for (rest = buf_str(&expected); rest.len; lines++) {
        const struct str line = str_span(rest.at, str_find(rest, STR("\n")));

        if (!story_has(&reader.story, line))
            fail_msg("%s lacks: %.*s", watch, STR_ARG(line));
        rest = str_skip(rest, line.len + 1);
    }
    assert_true(lines > 50);
    buf_done(&expected);
    reader_done(&reader);
}

static void event_watch_has_all_events_of_the_list(void **state)
{
    (void)state;
    assert_watch_has_the_list("events.watch.pb", "events.list.expected");
    assert_watch_has_the_list("crio/events.watch.pb", "crio/events.list.expected");
}

static void chunks_of_any_length_give_the_same_observations(void **state)
{
    static const struct recorded {
        const char *name;
        enum kube_resource resource;
        bool initial;
    } streams[] = {
        { "pods.watch.pb", KUBE_PODS, false },          { "pods.watchlist.pb", KUBE_PODS, true },
        { "events.watch.pb", KUBE_EVENTS, false },      { "crio/pods.watch.pb", KUBE_PODS, false },
        { "crio/events.watch.pb", KUBE_EVENTS, false },
    };
    static const size_t chunks[] = { 1, 2, 3, 7, 4096, 0 };

    (void)state;
    for (size_t s = 0; s < ARRAY_SIZE(streams); s++) {
        struct reader whole;
        struct buf bytes;

        reader_init(&whole, streams[s].resource, streams[s].initial);
        read_whole(&whole, streams[s].name);
        recording_read(streams[s].name, &bytes);
        for (size_t c = 0; c < ARRAY_SIZE(chunks); c++) {
            struct reader reader;
            struct err err = ERR_INIT;

            reader_init(&reader, streams[s].resource, streams[s].initial);
            assert_int_equal(feed_in_chunks(&reader.watch, buf_str(&bytes), chunks[c], &err), 0);
            assert_string_equal(reader.story.text.at, whole.story.text.at);
            assert_string_equal(reader.intake.resource_version, whole.intake.resource_version);
            reader_done(&reader);
        }
        buf_done(&bytes);
        reader_done(&whole);
    }
}

static void bookmark_ends_the_streaming_list(void **state)
{
    struct reader reader;
    struct err err = ERR_INIT;
    struct buf bytes;
    struct str rest;

    (void)state;
    reader_init(&reader, KUBE_PODS, true);
    recording_read("pods.watchlist.pb", &bytes);
    assert_int_equal(story_count(&reader.story, "PODS_BEGIN"), 1);

    /* The pods of the list are sorted by name: none of them has the version to resume from. */
    for (rest = buf_str(&bytes); rest.len && reader.watch.initial; rest = str_skip(rest, 1)) {
        assert_string_equal(reader.intake.resource_version, "");
        assert_int_equal(story_count(&reader.story, "PODS_END"), 0);
        assert_int_equal(watch_feed(&reader.watch, str_head(rest, 1), &err), 0);
    }
    assert_int_equal(story_count(&reader.story, "PODS_END"), 1);
    assert_true(reader.intake.resource_version[0] != '\0');
    assert_int_equal(watch_feed(&reader.watch, rest, &err), 0);
    assert_int_equal(story_count(&reader.story, "PODS_END"), 1);
    assert_int_equal(story_count(&reader.story, "DELETED"), 1);
    buf_done(&bytes);
    reader_done(&reader);
}

static void resource_version_follows_bookmarks_and_changes(void **state)
{
    struct reader reader;

    (void)state;
    reader_init(&reader, KUBE_PODS, false);
    read_whole(&reader, "pods.watch.pb");
    assert_string_equal(reader.intake.resource_version, with_facts("{watch_until}"));
    reader_done(&reader);
}

static void too_old_version_is_reported_with_its_code(void **state)
{
    struct reader reader;
    struct err err = ERR_INIT;
    struct buf response;

    (void)state;
    reader_init(&reader, KUBE_PODS, false);
    recording_read("answers/watch-of-pods-410.http", &response);
    assert_int_equal(watch_feed(&reader.watch, recording_body(&response), &err), -EREMOTEIO);
    assert_int_equal(reader.watch.refusal.code, 410);
    assert_string_equal(err.text, with_facts("the API server ended the watch with 410: "
                                             "too old resource version: 1 ({oldest_version})"));
    assert_int_equal(reader.story.text.len, 0);
    buf_done(&response);
    reader_done(&reader);
}

static void events_of_other_nodes_are_skipped(void **state)
{
    struct reader reader;

    (void)state;
    reader_init(&reader, KUBE_EVENTS, false);
    reader.intake.node_name = "another-node";
    read_whole(&reader, "events.watch.pb");
    assert_int_equal(reader.story.text.len, 0);
    assert_true(reader.intake.resource_version[0] != '\0');
    reader_done(&reader);
}

/* An API server does not repeat changes, a proxy may. A pull must not be counted twice. */
static void repeated_changes_are_skipped(void **state)
{
    struct reader reader;
    size_t pods;

    (void)state;
    reader_init(&reader, KUBE_PODS, false);
    read_whole(&reader, "pods.watch.pb");
    pods = story_count(&reader.story, "POD ");
    assert_true(pods > 200);
    read_whole(&reader, "pods.watch.pb");
    assert_int_equal(story_count(&reader.story, "POD "), pods);

    /* After a new list all versions are new: etcd may have been restored. */
    watch_begin(&reader.watch, true);
    read_whole(&reader, "pods.watchlist.pb");
    assert_true(story_count(&reader.story, "POD ") > pods);
    reader_done(&reader);
}

static void assert_refused(struct str bytes, int code, const char *text)
{
    struct reader reader;
    struct err err = ERR_INIT;

    reader_init(&reader, KUBE_PODS, false);
    assert_int_equal(watch_feed(&reader.watch, bytes, &err), code);
    if (!str_find(str_from(err.text), str_from(text)))
        fail_msg("\"%s\" does not contain \"%s\"", err.text, text);
    assert_int_equal(reader.story.text.len, 0);
    assert_int_equal(reader.story.limit_hits[LIMIT_HIT_WATCH_FRAME], code == -EMSGSIZE);
    reader_done(&reader);
}

/* A frame with a watch event of this type and object, both shorter than 100 bytes. */
#define FRAME(n, type_len, type, ext_len, raw_len, object)                                         \
    STR("\0\0\0" n "\x0a" type_len type "\x12" ext_len "\x0a" raw_len object)

static void error_names_what_is_wrong_with_the_stream(void **state)
{
    (void)state;
    assert_refused(STR("\xff\xff\xff\xff"), -EMSGSIZE, "4294967295 bytes is over the limit");
    assert_refused(STR("\x00\x80\x00\x01"), -EMSGSIZE, "8388609 bytes is over the limit");
    assert_refused(STR("{\"type\":\"ADDED\""), -EMSGSIZE, "over the limit");
    assert_refused(STR("\0\0\0\0"), -EPROTO, "an empty object");
    assert_refused(STR("\0\0\0\2\x0a\x7f"), -EPROTO, "not valid protobuf");
    assert_refused(
        FRAME("\x0f", "\5", "ADDED", "\6", "\4", "{\"a\""), -EPROTO,
        "watch event 'ADDED': 4 bytes are not a Kubernetes object in protobuf: '{\"a\"'");
    assert_refused(FRAME("\x0f", "\5", "ADDED", "\6", "\4", "k8s\0"), -EPROTO,
                   "has '' instead of 'Pod'");
    assert_refused(FRAME("\x16", "\5", "ADDED", "\x0d", "\x0b", "k8s\0\x0a\5\x12\3Pod"), -EPROTO,
                   "pod '' has no uid");
    assert_refused(FRAME("\x16", "\5", "BADLY", "\x0d", "\x0b", "k8s\0\x0a\5\x12\3Pod"), -EPROTO,
                   "unknown type 'BADLY'");
    assert_refused(FRAME("\x16", "\5", "ERROR", "\x0d", "\x0b", "k8s\0\x0a\5\x12\3Pod"), -EPROTO,
                   "an ERROR event has 'Pod'");
    assert_refused(
        FRAME("\x1b", "\5", "ADDED", "\x12", "\x10", "k8s\0\x0a\5\x12\3Pod\x12\3\x0a\x7f!"),
        -EPROTO, "are not a valid Pod");
}

static void cut_is_noticed_at_any_byte(void **state)
{
    size_t boundary = 0, boundaries = 0;
    struct buf bytes;

    (void)state;
    recording_read("pods.watch.pb", &bytes);
    for (size_t len = 0; len < 12000; len++) {
        struct reader reader;
        struct err err = ERR_INIT;

        reader_init(&reader, KUBE_PODS, false);
        assert_int_equal(watch_feed(&reader.watch, str_head(buf_str(&bytes), len), &err), 0);
        assert_int_equal(frames_pending(&reader.watch.frames) > 0, len != boundary);
        reader_done(&reader);
        if (len == boundary) { /* these frames are shorter than 64 KiB */
            boundary += 4u + ((size_t)(unsigned char)bytes.at[len + 2] << 8) +
                        (unsigned char)bytes.at[len + 3];
            boundaries++;
        }
    }
    assert_true(boundaries > 3);
    buf_done(&bytes);
}

/* Changes each byte of the first frames. */
static void corrupt_bytes_are_read_or_refused(void **state)
{
    struct buf bytes;

    (void)state;
    recording_read("pods.watch.pb", &bytes);
    for (size_t i = 0; i < 6000; i++) {
        struct reader reader;
        struct err err = ERR_INIT;
        int r;

        bytes.at[i] = (char)(bytes.at[i] ^ 0x55);
        reader_init(&reader, KUBE_PODS, false);
        r = watch_feed(&reader.watch, str_head(buf_str(&bytes), 9000), &err);
        assert_true(r == 0 || err.text[0] != '\0');
        reader_done(&reader);
        bytes.at[i] = (char)(bytes.at[i] ^ 0x55);
    }
    buf_done(&bytes);
}

static void failed_allocations_are_errors(void **state)
{
    struct buf bytes;

    (void)state;
    recording_read("pods.watch.pb", &bytes);
    for (size_t n = 0;; n++) {
        const size_t live = fault_heap_live();
        struct err err = ERR_INIT;
        struct intake intake;
        struct story story;
        struct watch watch;
        bool fired;
        int r;

        story_init(&story);
        story.text.max = 0; /* the story must not allocate */
        intake_init(&intake, KUBE_PODS, &story.sink, NODE);
        watch_init(&watch, &intake);
        watch_begin(&watch, false);
        fault_heap_fail_at(n);
        r = feed_in_chunks(&watch, str_head(buf_str(&bytes), 100000), 1000, &err);
        fired = fault_heap_fired();
        watch_done(&watch);
        intake_done(&intake);
        story_done(&story);
        assert_int_equal(fault_heap_live(), live);
        if (!fired)
            break;
        assert_int_equal(r, -ENOMEM);
        assert_true(n < 1000);
    }
    buf_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pod_watch_matches_its_json),
        cmocka_unit_test(event_watch_has_all_events_of_the_list),
        cmocka_unit_test(chunks_of_any_length_give_the_same_observations),
        cmocka_unit_test(bookmark_ends_the_streaming_list),
        cmocka_unit_test(resource_version_follows_bookmarks_and_changes),
        cmocka_unit_test(too_old_version_is_reported_with_its_code),
        cmocka_unit_test(events_of_other_nodes_are_skipped),
        cmocka_unit_test(repeated_changes_are_skipped),
        cmocka_unit_test(error_names_what_is_wrong_with_the_stream),
        cmocka_unit_test(cut_is_noticed_at_any_byte),
        cmocka_unit_test(corrupt_bytes_are_read_or_refused),
        cmocka_unit_test(failed_allocations_are_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
