/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The network can cut a stream anywhere. test_watch.c reads whole recordings in chunks of one size.
 * Here, parts of them are cut in two, at each byte.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/kube/watch.h"
#include "tests/unit/kube/kube_story.h"
#include "util.h"

/* Frames in each part. When the cut is in the second frame, the first one was already read. */
#define FRAMES 2

struct part {
    struct str bytes;
    enum kube_resource resource;
    bool initial;
};

static size_t frame_length(struct str bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.at;

    assert_true(bytes.len > 4);
    return 4 + ((size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3]);
}

/* FRAMES frames from the `nth` one of this type on; with `before`, from the one before it. */
static struct str frames_at(struct str bytes, const char *type, size_t nth, bool before)
{
    struct str last = bytes;
    size_t len = 0;

    /* A frame: its length, 0x0a, the length of its type, the type. */
    while (!str_starts(str_skip(bytes, 6), str_from(type)) || nth-- > 0) {
        last = bytes;
        bytes = str_skip(bytes, frame_length(bytes));
    }
    if (before)
        bytes = last;
    for (size_t i = 0; i < FRAMES; i++)
        len += frame_length(str_skip(bytes, len));
    return str_head(bytes, len);
}

/* Each piece is a copy, so that the sanitizers notice a read beyond it and a pointer that is kept.
 */
static void feed(struct watch *watch, struct str piece)
{
    char *copy = test_malloc(piece.len + 1);
    struct err err = ERR_INIT;

    if (piece.len)
        memcpy(copy, piece.at, piece.len);
    if (watch_feed(watch, (struct str){ .at = copy, .len = piece.len }, &err) < 0)
        fail_msg("%s", err.text);
    test_free(copy);
}

static void read_cut(const struct part *part, size_t cut, struct story *story)
{
    struct intake intake;
    struct watch watch;

    story_init(story);
    intake_init(&intake, part->resource, &story->sink, "lab-node");
    watch_init(&watch, &intake);
    watch_begin(&watch, part->initial);
    feed(&watch, str_head(part->bytes, cut));
    feed(&watch, str_skip(part->bytes, cut));
    assert_int_equal(frames_pending(&watch.frames), 0);
    watch_done(&watch);
    intake_done(&intake);
}

static void assert_same_at_every_cut(const struct part *part)
{
    struct story whole, story;

    read_cut(part, 0, &whole);
    for (size_t cut = 1; cut < part->bytes.len; cut++) {
        read_cut(part, cut, &story);
        if (strcmp(story.text.at ? story.text.at : "", whole.text.at ? whole.text.at : "") != 0)
            fail_msg("cut at byte %zu of %zu: '%s'", cut, part->bytes.len, story.text.at);
        story_done(&story);
    }
    story_done(&whole);
}

static void stream_cut_at_any_byte_gives_the_same_observations(void **state)
{
    /* The first pods; a change and a bookmark; a change and a deletion; the bookmark that ends a
     * streaming list and the pod after it; a pod on CRI-O; new events; events with a higher count.
     */
    static const struct {
        const char *name;
        enum kube_resource resource;
        bool initial, before;
        const char *type;
        size_t nth;
    } parts[] = {
        { "pods.watch.pb", KUBE_PODS, false, false, "ADDED", 0 },
        { "pods.watch.pb", KUBE_PODS, false, true, "BOOKMARK", 2 },
        { "pods.watch.pb", KUBE_PODS, false, true, "DELETED", 0 },
        { "pods.watchlist.pb", KUBE_PODS, true, true, "BOOKMARK", 0 },
        { "crio/pods.watch.pb", KUBE_PODS, false, false, "MODIFIED", 90 },
        { "events.watch.pb", KUBE_EVENTS, false, false, "ADDED", 40 },
        { "events.watch.pb", KUBE_EVENTS, false, false, "MODIFIED", 300 },
    };
    struct buf bytes;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        recording_read(parts[i].name, &bytes);
        assert_same_at_every_cut(&(struct part){
            .bytes = frames_at(buf_str(&bytes), parts[i].type, parts[i].nth, parts[i].before),
            .resource = parts[i].resource,
            .initial = parts[i].initial });
        buf_done(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_cut_at_any_byte_gives_the_same_observations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
