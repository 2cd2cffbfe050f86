/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "buf.h"
#include "proto/kube.pb-c.h"
#include "sift.h"
#include "tests/unit/support/fault_heap.h"
#include "unpack.h"
#include "util.h"

/* Field numbers of proto/kube.proto, and one that nobody reads. */
enum { POD_META = 1, POD_SPEC = 2, META_NAME = 1, SPEC_CONTAINERS = 2, CONTAINER_IMAGE = 2 };
enum { UNREAD = 4, STATUS_CODE = 6 };

static void add_varint(struct buf *to, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        buf_add_byte(to, (char)(number | 0x80));
    buf_add_byte(to, (char)number);
}

static void add_text(struct buf *to, uint32_t number, struct str text)
{
    add_varint(to, number << 3 | 2);
    add_varint(to, text.len);
    buf_add(to, text);
}

static void add_number(struct buf *to, uint32_t number, uint64_t value)
{
    add_varint(to, number << 3);
    add_varint(to, value);
}

/* A pod with a name, `n` containers with an image, and after each field `unread` that nobody reads.
 */
static void make_pod(struct buf *ret, const char *name, size_t n, size_t unread)
{
    struct buf meta, spec, container;

    buf_init(&meta, 1 << 24);
    buf_init(&spec, 1 << 24);
    buf_init(&container, 1 << 24);
    buf_init(ret, 1 << 24);
    add_text(&meta, META_NAME, str_from(name));
    add_text(&container, CONTAINER_IMAGE, STR("r.io/app"));
    for (size_t i = 0; i < unread; i++) {
        add_text(&meta, UNREAD, STR(""));
        add_text(&container, UNREAD, STR(""));
        add_number(&container, UNREAD, i);
        add_varint(&container, UNREAD << 3 | 1);
        buf_add_text(&container, "12345678");
        add_varint(&container, UNREAD << 3 | 5);
        buf_add_text(&container, "1234");
    }
    add_text(ret, POD_META, buf_str(&meta));
    for (size_t i = 0; i < n; i++)
        add_text(&spec, SPEC_CONTAINERS, buf_str(&container));
    add_text(ret, POD_SPEC, buf_str(&spec));
    buf_done(&container);
    buf_done(&spec);
    buf_done(&meta);
}

/* What is kept of `bytes`, which arrive in pieces of `piece` bytes. Each is a copy, so that the
 * sanitizers notice a read beyond it. */
static int sift_in_pieces(struct sift *sift, const struct ProtobufCMessageDescriptor *type,
                          struct str bytes, size_t piece, struct str *ret, struct err *err)
{
    int r = 0;

    sift_begin(sift, type);
    while (bytes.len && r == 0) {
        const struct str part = str_head(bytes, piece);
        char *copy = test_malloc(part.len);

        memcpy(copy, part.at, part.len);
        r = sift_feed(sift, (struct str){ .at = copy, .len = part.len }, err);
        test_free(copy);
        bytes = str_skip(bytes, part.len);
    }
    return r < 0 ? r : sift_end(sift, ret, err);
}

static const K8s__Pod *unpack_pod(struct str kept, struct arena *arena)
{
    struct err err = ERR_INIT;
    int r = 0;
    const K8s__Pod *pod = unpack_message(&k8s__pod__descriptor, kept, arena, &r, &err);

    if (!pod)
        fail_msg("%s", err.text);
    return pod;
}

static void only_fields_of_the_descriptor_are_kept(void **state)
{
    static const struct sift_rules rules = { .what = "a pod" };
    struct arena arena;
    struct buf pod;

    (void)state;
    make_pod(&pod, "web", 3, 5);
    for (size_t piece = 1; piece < pod.len; piece = piece * 2 + 1) {
        const K8s__Pod *kept;
        struct sift sift;
        struct str bytes;

        arena_init(&arena, 1 << 20);
        sift_init(&sift, &rules);
        assert_int_equal(
            sift_in_pieces(&sift, &k8s__pod__descriptor, buf_str(&pod), piece, &bytes, NULL), 0);
        kept = unpack_pod(bytes, &arena);
        assert_int_equal(kept->spec->n_containers, 3);
        assert_memory_equal(kept->metadata->name.data, "web", 3);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(kept->spec->containers[i]->image.len, 8);
            assert_int_equal(kept->spec->containers[i]->base.n_unknown_fields, 0);
        }
        assert_int_equal(kept->metadata->base.n_unknown_fields, 0);
        sift_done(&sift);
        arena_done(&arena);
    }
    buf_done(&pod);
}

static void memory_is_that_of_what_is_kept(void **state)
{
    static const struct sift_rules rules = { .what = "a pod" };
    struct sift sift;
    struct str bytes;
    struct buf pod;

    (void)state;
    make_pod(&pod, "web", 1, 200000);
    assert_true(pod.len > 4 << 20);
    sift_init(&sift, &rules);
    assert_int_equal(
        sift_in_pieces(&sift, &k8s__pod__descriptor, buf_str(&pod), 16384, &bytes, NULL), 0);
    assert_true(bytes.len < 100);
    assert_true(sift.size <= 1024);
    sift_done(&sift);
    buf_done(&pod);
}

static void announced_length_allocates_nothing(void **state)
{
    static const struct sift_rules rules = { .what = "a pod" };
    struct sift sift;

    (void)state;
    sift_init(&sift, &rules);
    sift_begin(&sift, &k8s__status__descriptor);
    assert_int_equal(sift_feed(&sift, STR("\x1a\xff\xff\xff\x3fhel"), NULL), 0); /* message */
    assert_true(sift.size <= 1024);
    sift_done(&sift);
}

static void items_over_the_limit_are_dropped(void **state)
{
    static const struct sift_rules rules = { .what = "a pod", .most_items = 129 };
    const K8s__Pod *kept;
    struct arena arena;
    struct sift sift;
    struct str bytes;
    struct buf pod;

    (void)state;
    make_pod(&pod, "web", 130, 1);
    arena_init(&arena, 1 << 20);
    sift_init(&sift, &rules);
    assert_int_equal(sift_in_pieces(&sift, &k8s__pod__descriptor, buf_str(&pod), 7, &bytes, NULL),
                     0);
    kept = unpack_pod(bytes, &arena);
    assert_int_equal(kept->spec->n_containers, 129);
    sift_done(&sift);
    arena_done(&arena);
    buf_done(&pod);
}

static void middle_of_a_long_text_is_left_out(void **state)
{
    static const struct sift_rules rules = { .what = "a pod", .most_text = 7 };
    static const char *const names[] = { "short", "exactly", "begins-and-ends" };
    static const char *const kept_names[] = { "short", "exactly", "begends" };
    struct arena arena;
    struct sift sift;
    struct str bytes;
    struct buf pod;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        for (size_t piece = 1; piece < 40; piece++) {
            make_pod(&pod, names[i], 0, 1);
            arena_init(&arena, 1 << 20);
            sift_init(&sift, &rules);
            assert_int_equal(
                sift_in_pieces(&sift, &k8s__pod__descriptor, buf_str(&pod), piece, &bytes, NULL),
                0);
            const K8s__Pod *kept = unpack_pod(bytes, &arena);
            assert_int_equal(kept->metadata->name.len, strlen(kept_names[i]));
            assert_memory_equal(kept->metadata->name.data, kept_names[i], strlen(kept_names[i]));
            sift_done(&sift);
            arena_done(&arena);
            buf_done(&pod);
        }
    }
}

/* --- units ------------------------------------------------------------------------------------ */

struct taken {
    size_t pods;
    char names[64];
};

static int take_pod(void *self, const struct ProtobufCMessageDescriptor *type, struct str kept,
                    struct err *err)
{
    struct taken *taken = self;
    struct arena arena;

    (void)err;
    if (type != &k8s__pod__descriptor)
        return SIFT_KEEP;
    arena_init(&arena, 1 << 20);
    const K8s__Pod *pod = unpack_pod(kept, &arena);
    strncat(taken->names, (const char *)pod->metadata->name.data, pod->metadata->name.len);
    strcat(taken->names, " ");
    taken->pods++;
    arena_done(&arena);
    return SIFT_DROP;
}

static void unit_that_does_not_fit_is_left_out_alone(void **state)
{
    struct taken taken = { 0 };
    const struct sift_rules rules = { .self = &taken,
                                      .what = "a list",
                                      .most_kept = 200,
                                      .unit = &k8s__pod__descriptor,
                                      .complete = take_pod };
    static const size_t containers[] = { 1, 50, 2, 3, 40 };
    static const char *const names[] = { "a", "b", "c", "d", "e" };
    struct buf list;

    (void)state;
    buf_init(&list, 1 << 20);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct buf pod;

        make_pod(&pod, names[i], containers[i], 2);
        add_text(&list, 2, buf_str(&pod));
        buf_done(&pod);
    }
    add_text(&list, 1,
             STR("\x12\x01"
                 "7"));
    for (size_t piece = 1; piece < list.len; piece = piece * 3 / 2 + 1) {
        struct sift sift;
        struct str bytes;

        taken = (struct taken){ 0 };
        sift_init(&sift, &rules);
        assert_int_equal(
            sift_in_pieces(&sift, &k8s__pod_list__descriptor, buf_str(&list), piece, &bytes, NULL),
            0);
        assert_string_equal(taken.names, "a c d ");
        assert_int_equal(sift.left_out, 2);
        assert_true(str_ends(bytes, STR("\x12\x01"
                                        "7"))); /* only ListMeta */
        assert_true(bytes.len < 12);
        assert_true(sift.size <= 1024);
        sift_done(&sift);
    }
    buf_done(&list);
}

static void too_much_outside_of_units_is_an_error(void **state)
{
    static const struct sift_rules rules = { .what = "a status", .most_kept = 100 };
    struct err err = ERR_INIT;
    struct sift sift;
    struct buf status;

    (void)state;
    buf_init(&status, 1 << 20);
    for (size_t i = 0; i < 100; i++)
        add_text(&status, 3, STR("text"));
    sift_init(&sift, &rules);
    sift_begin(&sift, &k8s__status__descriptor);
    assert_int_equal(sift_feed(&sift, buf_str(&status), &err), -EMSGSIZE);
    assert_string_equal(err.text, "more than 100 bytes of a status would be kept");
    sift_done(&sift);
    buf_done(&status);
}

/* --- bad input -------------------------------------------------------------------------------- */

static void malformed_protobuf_is_refused(void **state)
{
    static const struct sift_rules rules = { .what = "a status" };
    static const struct str bad[] = {
        STR("\x0b"),                                         /* a group */
        STR("\x0f"),                                         /* an unknown type */
        STR("\xfa\xff\xff\xff\xff\xff\x01\x00"),             /* a field number over 2^29 */
        STR("\x30\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"), /* a varint of 11 bytes */
        STR("\x18\x01"),                                     /* message: a number */
        STR("\x32\x01x"),                                    /* code: a text */
        STR("\x28\x01"),                                     /* details: a number */
        STR("\x2a\x02\x2a\x7f"),                             /* longer than the message around it */
    };
    static const struct str cut[] = {
        STR("\x1a"),         STR("\x1a\x02x"), STR("\x30"),         STR("\x30\x80"),
        STR("\x2a\x02\x28"), STR("\x22\x05x"), STR("\x2a\x01\x28"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = ERR_INIT;
        struct sift sift;

        sift_init(&sift, &rules);
        sift_begin(&sift, &k8s__status__descriptor);
        if (sift_feed(&sift, bad[i], &err) != -EPROTO)
            fail_msg("bad[%zu] is accepted", i);
        assert_string_equal(err.text, "a status is not valid protobuf");
        sift_done(&sift);
    }
    for (size_t i = 0; i < ARRAY_SIZE(cut); i++) {
        struct str kept = STR("untouched");
        struct sift sift;

        sift_init(&sift, &rules);
        sift_begin(&sift, &k8s__status__descriptor);
        assert_int_equal(sift_feed(&sift, cut[i], NULL), 0);
        assert_int_equal(sift_end(&sift, &kept, NULL), -EPROTO);
        assert_true(str_eq(kept, STR("untouched")));
        sift_done(&sift);
    }
}

static void failed_allocations_are_errors(void **state)
{
    static const struct sift_rules rules = { .what = "a pod" };
    const size_t live = fault_heap_live();
    struct buf pod;
    size_t n;

    (void)state;
    make_pod(&pod, "web", 300, 1);
    for (n = 0;; n++) {
        struct sift sift;
        int r;

        sift_init(&sift, &rules);
        sift_begin(&sift, &k8s__pod__descriptor);
        fault_heap_fail_at(n);
        r = sift_feed(&sift, buf_str(&pod), NULL);
        sift_done(&sift);
        if (!fault_heap_fired())
            break;
        assert_int_equal(r, -ENOMEM);
    }
    assert_true(n > 1);
    buf_done(&pod);
    assert_int_equal(fault_heap_live(), live);
}

static void memory_of_a_large_message_is_freed(void **state)
{
    static const struct sift_rules rules = { .what = "a pod" };
    struct sift sift;
    struct str bytes;
    struct buf pod;

    (void)state;
    make_pod(&pod, "web", 10000, 0);
    sift_init(&sift, &rules);
    assert_int_equal(
        sift_in_pieces(&sift, &k8s__pod__descriptor, buf_str(&pod), 16384, &bytes, NULL), 0);
    assert_true(sift.size > 64 << 10);
    sift_begin(&sift, &k8s__pod__descriptor);
    assert_int_equal(sift.size, 0);
    sift_done(&sift);
    buf_done(&pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_fields_of_the_descriptor_are_kept),
        cmocka_unit_test(memory_is_that_of_what_is_kept),
        cmocka_unit_test(announced_length_allocates_nothing),
        cmocka_unit_test(items_over_the_limit_are_dropped),
        cmocka_unit_test(middle_of_a_long_text_is_left_out),
        cmocka_unit_test(unit_that_does_not_fit_is_left_out_alone),
        cmocka_unit_test(too_much_outside_of_units_is_an_error),
        cmocka_unit_test(malformed_protobuf_is_refused),
        cmocka_unit_test(failed_allocations_are_errors),
        cmocka_unit_test(memory_of_a_large_message_is_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
