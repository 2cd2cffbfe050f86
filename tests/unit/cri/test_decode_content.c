/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/decode_content.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/content.pb-c.h"
#include "tests/unit/cri/decode_world.h"
#include "tests/unit/support/fault_heap.h"

/* The layer that stalls in the recordings: of team/big, and shared by team/shared. */
#define SHARED_LAYER "sha256:96fa39606a1d9abfbcff378405b59d4a90fb2418381e27ce0720b22e3ee04398"
#define HEX32 "0123456789abcdef0123456789abcdef"

static ProtobufCBinaryData binary(const char *text)
{
    return (ProtobufCBinaryData){ .data = (uint8_t *)text, .len = strlen(text) };
}

/* --- recorded bytes
 * ------------------------------------------------------------------------------- */

static void blobs_in_flight_of_containerd_are_decoded(void **state)
{
    static const char *const paths[] = { RECORDED_1_6 "ingests.pb", RECORDED_1_7 "ingests.pb",
                                         RECORDED_2_1 "ingests.pb" };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct ingests_fact fact;
        bool more = true;

        assert_int_equal(
            decode_ingests(recorded(world, paths[i]), &world->arena, &fact, &more, &world->err), 0);
        assert_int_equal(fact.n, 1);
        assert_false(more);
        assert_text(fact.ingests[0].digest, SHARED_LAYER);
        assert_int_equal(fact.ingests[0].bytes, 3145728);
        assert_int_equal(fact.ingests[0].total, 6298103);
        assert_true(fact.ingests[0].begun_us > INT64_C(1700000000) * SEC);
        /* It stalled at once. */
        assert_true(fact.ingests[0].moved_us > fact.ingests[0].begun_us);
        assert_true(fact.ingests[0].moved_us < fact.ingests[0].begun_us + SEC);
    }
}

static void owners_of_a_layer_of_containerd_are_decoded(void **state)
{
    static const char *const paths[] = { RECORDED_1_6 "owners.pb", RECORDED_1_7 "owners.pb",
                                         RECORDED_2_1 "owners.pb" };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct owners owners = { .arena = &world->arena, .digest = STR(SHARED_LAYER) };

        assert_int_equal(decode_owners(recorded(world, paths[i]), &owners, &world->err), 0);
        assert_int_equal(owners.n, 2);
        assert_false(owners.more);
        /* The registry has no port here. */
        assert_text(owners.repositories[0], "127.0.0.1/team/big");
        assert_text(owners.repositories[1], "127.0.0.1/team/shared");
    }
}

static void a_blob_without_a_manifest_has_no_owner(void **state)
{
    struct world *world = *state;
    struct owners owners = { .arena = &world->arena, .digest = STR("sha256:" HEX32) };

    assert_int_equal(decode_owners(recorded(world, RECORDED_1_6 "owners.pb"), &owners, &world->err),
                     0);
    assert_int_equal(owners.n, 0);
}

/* containerd 1.6 and 1.7 tell when a blob was complete, 2.1 also when a pull last needed it. */
static void newest_time_of_a_repository_is_decoded(void **state)
{
    static const struct {
        const char *path;
        const char *repository;
        int64_t updated_us;
    } rows[] = {
        { RECORDED_1_6 "owners.pb", "127.0.0.1/team/big", INT64_C(1795314708226416) },
        { RECORDED_1_7 "owners.pb", "127.0.0.1/team/big", INT64_C(1795314721619401) },
        { RECORDED_2_1 "owners.pb", "127.0.0.1/team/big", INT64_C(1795314737545871) },
        { RECORDED_2_1 "owners.pb", "127.0.0.1/team/shared", INT64_C(1795314737546227) },
        { RECORDED_2_1 "owners.pb", "127.0.0.1/team", 0 },
        { RECORDED_2_1 "owners.pb", "127.0.0.1/big", 0 },
        { RECORDED_2_1 "owners.pb", "127.0.0/1/team/big", 0 },
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct stored_blob blobs[LIMIT_REPOSITORY_BLOBS];
        struct holdings holdings = { .repository = str_from(rows[i].repository), .blobs = blobs };

        assert_int_equal(decode_holdings(recorded(world, rows[i].path), &holdings, &world->err), 0);
        assert_int_equal(holdings.updated_us, rows[i].updated_us);
    }
}

/* Size (2) and creation (3) of "sha256:..." (1), of repository "h"/"r". */
static void put_blob(struct world *world, Containerd__Content__V1__ListContentResponse *list,
                     size_t i, int64_t size, int64_t created)
{
    Containerd__Content__V1__Info *info = arena_alloc(&world->arena, sizeof(*info));
    Containerd__Content__V1__Timestamp *at = arena_alloc(&world->arena, sizeof(*at));
    static Containerd__Content__V1__Label label = CONTAINERD__CONTENT__V1__LABEL__INIT;
    static Containerd__Content__V1__Label *labels[] = { &label };
    char digest[32];

    label.key = binary("containerd.io/distribution.source.h");
    label.value = binary("r");
    containerd__content__v1__timestamp__init(at);
    at->seconds = created;
    containerd__content__v1__info__init(info);
    snprintf(digest, sizeof(digest), "sha256:%zu", i);
    info->digest = binary(arena_str(&world->arena, str_from(digest)));
    info->size = size;
    info->created_at = created ? at : NULL;
    info->labels = labels;
    info->n_labels = 1;
    list->info[i] = info;
}

static void decode_list(struct world *world,
                        const Containerd__Content__V1__ListContentResponse *list,
                        struct holdings *holdings)
{
    size_t len = containerd__content__v1__list_content_response__get_packed_size(list);
    uint8_t *bytes = arena_alloc(&world->arena, len);

    assert_non_null(bytes);
    containerd__content__v1__list_content_response__pack(list, bytes);
    assert_int_equal(decode_holdings((struct str){ (char *)bytes, len }, holdings, &world->err), 0);
}

static void blobs_of_a_repository_are_decoded(void **state)
{
    struct world *world = *state;
    Containerd__Content__V1__ListContentResponse list =
        CONTAINERD__CONTENT__V1__LIST_CONTENT_RESPONSE__INIT;
    Containerd__Content__V1__Info *infos[3];
    struct stored_blob blobs[LIMIT_REPOSITORY_BLOBS] = { { .size = 0 } };
    struct holdings holdings = { .repository = STR("h/r"), .blobs = blobs };

    list.info = infos;
    list.n_info = 3;
    put_blob(world, &list, 0, 77, 5);
    put_blob(world, &list, 1, -77, 6);
    put_blob(world, &list, 2, 77, 0); /* nobody can say whether it is new */
    decode_list(world, &list, &holdings);
    assert_int_equal(holdings.n, 2);
    assert_int_equal(blobs[0].size, 77);
    assert_int_equal(blobs[0].created_us, 5 * SEC);
    assert_int_equal(blobs[1].size, 0);
    assert_true(blobs[0].hash != blobs[1].hash);
}

static void the_newest_blobs_of_a_repository_are_kept(void **state)
{
    struct world *world = *state;
    Containerd__Content__V1__ListContentResponse list =
        CONTAINERD__CONTENT__V1__LIST_CONTENT_RESPONSE__INIT;
    static Containerd__Content__V1__Info *infos[2 * LIMIT_REPOSITORY_BLOBS];
    struct stored_blob blobs[LIMIT_REPOSITORY_BLOBS] = { { .size = 0 } };
    struct holdings holdings = { .repository = STR("h/r"), .blobs = blobs };
    int64_t sum = 0;

    list.info = infos;
    list.n_info = ARRAY_SIZE(infos);
    for (size_t i = 0; i < ARRAY_SIZE(infos); i++) /* the even ones are new */
        put_blob(world, &list, i, 1, (int64_t)(i % 2 ? i + 1 : 10000 + i));
    decode_list(world, &list, &holdings);
    assert_int_equal(holdings.n, LIMIT_REPOSITORY_BLOBS);
    for (size_t i = 0; i < holdings.n; i++)
        sum += blobs[i].created_us >= 10000 * SEC;
    assert_int_equal(sum, LIMIT_REPOSITORY_BLOBS);
}

/* --- repositories ----------------------------------------------------------------------------- */

static void repositories_are_checked(void **state)
{
    static const struct {
        struct str repository;
        bool valid;
    } rows[] = {
        { STR("docker.io/library/busybox"), true },
        { STR("Registry.example.com/a__b-c.d/e"), true },
        { STR("fd00::1/team/app"), true },
        { STR("docker.io"), false },
        { STR("docker.io/"), false },
        { STR("/busybox"), false },
        { STR(""), false },
        { STR("h/r\""), false },
        { STR("h/r\\"), false },
        { STR("h/r*"), false },
        { STR("h/r,id==x"), false },
        { STR("h\"/r"), false },
        { STR("h/r\0"), false },
        { STR("h/R"), false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(repository_valid(rows[i].repository), rows[i].valid);
}

/* --- digests ---------------------------------------------------------------------------------- */

static void digests_are_checked(void **state)
{
    static const struct {
        struct str digest;
        bool valid;
    } rows[] = {
        { STR(SHARED_LAYER), true },
        { STR("sha512:" HEX32 HEX32 HEX32 HEX32), true },
        { STR("md5:" HEX32), true },
        { STR("sha512:" HEX32 HEX32 HEX32 HEX32 "0"), false },
        { STR("sha256:0123456789abcdef0123456789abcde"), false },
        { STR("sha256:" HEX32 "G"), false },
        { STR("sha256:" HEX32 "A"), false },
        { STR("sha256:" HEX32 ",id==x"), false },
        { STR("sha256:" HEX32 "\0"), false },
        { STR("sha256" HEX32), false },
        { STR(":" HEX32), false },
        { STR("an-algorithm:" HEX32), false },
        { STR("alongalgorithmname:" HEX32), false },
        { STR("sha256:"), false },
        { STR("sha256"), false },
        { STR(""), false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (digest_valid(rows[i].digest) != rows[i].valid)
            fail_msg("row %zu: %.*s", i, STR_ARG(rows[i].digest));
    }
}

/* --- constructed bytes: blobs in flight
 * ------------------------------------------------------------ */

static struct str pack(struct world *world, const ProtobufCMessage *message)
{
    assert_true(protobuf_c_message_get_packed_size(message) <= sizeof(world->file));
    return (struct str){ .at = world->file,
                         .len = protobuf_c_message_pack(message, (uint8_t *)world->file) };
}

/* Packs an answer with `n` copies of this status. */
static struct str in_flight(struct world *world, Containerd__Content__V1__Status *status, size_t n)
{
    Containerd__Content__V1__ListStatusesResponse answer =
        CONTAINERD__CONTENT__V1__LIST_STATUSES_RESPONSE__INIT;
    Containerd__Content__V1__Status *all[LIMIT_INGESTS + 1];

    for (size_t i = 0; i < n; i++)
        all[i] = status;
    answer.statuses = all;
    answer.n_statuses = n;
    return pack(world, &answer.base);
}

static void the_digest_is_in_the_name_or_in_its_own_field(void **state)
{
    static const struct {
        const char *ref, *expected, *digest;
    } rows[] = {
        { "layer-sha256:" HEX32, "", "sha256:" HEX32 },
        { "manifest-sha256:" HEX32, "", "sha256:" HEX32 },
        { "config-sha512:" HEX32 HEX32 HEX32 HEX32, "", "sha512:" HEX32 HEX32 HEX32 HEX32 },
        { "some-thing-sha256:" HEX32, "", "sha256:" HEX32 },
        { "upload", "sha256:" HEX32, "sha256:" HEX32 },
        { "layer-sha256:" HEX32, "md5:" HEX32, "md5:" HEX32 },
        { "layer-sha256:" HEX32, "nonsense", "sha256:" HEX32 },
        { "import-1234", "", NULL },
        { "sha256:" HEX32, "", NULL },
        { "layer-", "", NULL },
        { "", "", NULL },
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        Containerd__Content__V1__Status status = CONTAINERD__CONTENT__V1__STATUS__INIT;
        struct ingests_fact fact;
        bool more;

        status.ref = binary(rows[i].ref);
        status.expected = binary(rows[i].expected);
        assert_int_equal(
            decode_ingests(in_flight(world, &status, 1), &world->arena, &fact, &more, &world->err),
            0);
        if (fact.n != (rows[i].digest ? 1 : 0))
            fail_msg("row %zu: %zu ingests", i, fact.n);
        if (rows[i].digest)
            assert_text(fact.ingests[0].digest, rows[i].digest);
    }
}

static void out_of_range_numbers_are_unknown(void **state)
{
    static const struct {
        int64_t seconds;
        int32_t nanos;
        int64_t us;
    } rows[] = {
        { 1, 2000, SEC + 2 },        { 0, 0, 0 },  { -1, 0, 0 },         { INT64_MAX, 0, 0 },
        { INT64_MAX / SEC, 0, 0 },   { 1, -1, 0 }, { 1, 1000000000, 0 }, { 1, 999999999, 1999999 },
        { INT64_MIN, INT32_MIN, 0 },
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        Containerd__Content__V1__Timestamp time = CONTAINERD__CONTENT__V1__TIMESTAMP__INIT;
        Containerd__Content__V1__Status status = CONTAINERD__CONTENT__V1__STATUS__INIT;
        struct ingests_fact fact;
        bool more;

        time.seconds = rows[i].seconds;
        time.nanos = rows[i].nanos;
        status.ref = binary("layer-sha256:" HEX32);
        status.updated_at = &time;
        status.offset = -5;
        status.total = INT64_MIN;
        assert_int_equal(
            decode_ingests(in_flight(world, &status, 1), &world->arena, &fact, &more, &world->err),
            0);
        assert_int_equal(fact.ingests[0].moved_us, rows[i].us);
        assert_int_equal(fact.ingests[0].begun_us, 0);
        assert_int_equal(fact.ingests[0].bytes, 0);
        assert_int_equal(fact.ingests[0].total, 0);
    }
}

static void blobs_over_the_limit_are_reported(void **state)
{
    Containerd__Content__V1__Status status = CONTAINERD__CONTENT__V1__STATUS__INIT;
    struct world *world = *state;
    struct ingests_fact fact;
    bool more = true;

    status.ref = binary("layer-sha256:" HEX32);
    assert_int_equal(decode_ingests(in_flight(world, &status, LIMIT_INGESTS), &world->arena, &fact,
                                    &more, &world->err),
                     0);
    assert_int_equal(fact.n, LIMIT_INGESTS);
    assert_false(more);
    assert_int_equal(decode_ingests(in_flight(world, &status, LIMIT_INGESTS + 1), &world->arena,
                                    &fact, &more, &world->err),
                     0);
    assert_int_equal(fact.n, LIMIT_INGESTS);
    assert_true(more);
}

/* Blobs that wait for a download slot have none. */
static void blobs_without_a_byte_are_left_out_first(void **state)
{
    Containerd__Content__V1__Status queued = CONTAINERD__CONTENT__V1__STATUS__INIT;
    Containerd__Content__V1__Status moving = CONTAINERD__CONTENT__V1__STATUS__INIT;
    Containerd__Content__V1__ListStatusesResponse answer =
        CONTAINERD__CONTENT__V1__LIST_STATUSES_RESPONSE__INIT;
    Containerd__Content__V1__Status *all[LIMIT_INGESTS + 1];
    struct world *world = *state;
    struct ingests_fact fact;
    bool more = false;

    queued.ref = binary("layer-sha256:" HEX32);
    moving.ref = queued.ref;
    moving.offset = 7;
    for (size_t i = 0; i < LIMIT_INGESTS; i++)
        all[i] = &queued;
    all[LIMIT_INGESTS] = &moving;
    answer.statuses = all;
    answer.n_statuses = LIMIT_INGESTS + 1;
    assert_int_equal(
        decode_ingests(pack(world, &answer.base), &world->arena, &fact, &more, &world->err), 0);
    assert_int_equal(fact.n, LIMIT_INGESTS);
    assert_int_equal(fact.ingests[0].bytes, 7);
    assert_true(more);
}

/* A failed pull leaves its blobs behind. They must not hide those of the pulls that go on. */
static void blobs_that_are_idle_for_longest_are_left_out(void **state)
{
    Containerd__Content__V1__Timestamp hours_ago = CONTAINERD__CONTENT__V1__TIMESTAMP__INIT;
    Containerd__Content__V1__Timestamp now = CONTAINERD__CONTENT__V1__TIMESTAMP__INIT;
    Containerd__Content__V1__Status idle = CONTAINERD__CONTENT__V1__STATUS__INIT;
    Containerd__Content__V1__Status moving = CONTAINERD__CONTENT__V1__STATUS__INIT;
    Containerd__Content__V1__ListStatusesResponse answer =
        CONTAINERD__CONTENT__V1__LIST_STATUSES_RESPONSE__INIT;
    Containerd__Content__V1__Status *all[LIMIT_INGESTS + 3];
    struct world *world = *state;
    struct ingests_fact fact;
    bool more = false;
    size_t found = 0;

    hours_ago.seconds = 1795300000;
    now.seconds = hours_ago.seconds + 10000;
    idle.ref = moving.ref = binary("layer-sha256:" HEX32);
    idle.offset = 5;
    idle.updated_at = &hours_ago;
    moving.offset = 7;
    moving.updated_at = &now;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        all[i] = i == 3 || i + 2 >= ARRAY_SIZE(all) ? &moving : &idle;
    answer.statuses = all;
    answer.n_statuses = ARRAY_SIZE(all);
    assert_int_equal(
        decode_ingests(pack(world, &answer.base), &world->arena, &fact, &more, &world->err), 0);
    assert_int_equal(fact.n, LIMIT_INGESTS);
    for (size_t i = 0; i < fact.n; i++)
        found += fact.ingests[i].bytes == 7;
    assert_int_equal(found, 3);
    assert_true(more);
}

static void no_blobs_in_flight_are_valid(void **state)
{
    struct world *world = *state;
    struct ingests_fact fact = { .n = 7 };
    bool more = true;

    assert_int_equal(decode_ingests(STR(""), &world->arena, &fact, &more, &world->err), 0);
    assert_int_equal(fact.n, 0);
    assert_false(more);
}

/* --- constructed bytes: owners ------------------------------------------------------------------
 */

struct label {
    const char *key, *value;
};

#define NAMED                                                                                      \
    {                                                                                              \
        "containerd.io/gc.ref.content.l.7", "sha256:" HEX32                                        \
    }
#define SOURCE "containerd.io/distribution.source."

/* Adds one content entry with these labels, up to the first without a key, to `owners`. */
static int add_entry(struct world *world, struct owners *owners, const struct label *labels)
{
    Containerd__Content__V1__Label each[4], *all[4];
    Containerd__Content__V1__Info info = CONTAINERD__CONTENT__V1__INFO__INIT, *infos = &info;
    Containerd__Content__V1__ListContentResponse answer =
        CONTAINERD__CONTENT__V1__LIST_CONTENT_RESPONSE__INIT;

    for (; info.n_labels < 4 && labels[info.n_labels].key; info.n_labels++) {
        Containerd__Content__V1__Label *label = &each[info.n_labels];

        containerd__content__v1__label__init(label);
        label->key = binary(labels[info.n_labels].key);
        label->value = binary(labels[info.n_labels].value);
        all[info.n_labels] = label;
    }
    info.labels = all;
    answer.info = &infos;
    answer.n_info = 1;
    return decode_owners(pack(world, &answer.base), owners, &world->err);
}

static void repositories_are_listed_once(void **state)
{
    static const struct {
        struct label labels[4];
        const char *expected; /* all so far, each followed by a blank */
    } rows[] = {
        { { NAMED, { SOURCE "docker.io", "library/busybox" } }, "docker.io/library/busybox " },
        { { NAMED, { SOURCE "docker.io", "library/busybox,a/b" } },
          "docker.io/library/busybox docker.io/a/b " },
        /* Two registries, and a name that is a suffix of another. */
        { { NAMED, { SOURCE "quay.io", "a/b" }, { SOURCE "docker.io", "b" } },
          "docker.io/library/busybox docker.io/a/b quay.io/a/b docker.io/b " },
        /* No label, empty names, a truncated key: no owners. */
        { { NAMED, { SOURCE "x", "" }, { SOURCE, "r" }, { "containerd.io/distribution", "r" } },
          "docker.io/library/busybox docker.io/a/b quay.io/a/b docker.io/b " },
        { { NAMED, { SOURCE "x", ",,a,," } },
          "docker.io/library/busybox docker.io/a/b quay.io/a/b docker.io/b x/a " },
        /* The owner of another blob, and an entry that names ours in another label. */
        { { { "containerd.io/gc.ref.content.config", "sha256:" HEX32 HEX32 }, { SOURCE "y", "r" } },
          "docker.io/library/busybox docker.io/a/b quay.io/a/b docker.io/b x/a " },
        { { { "containerd.io/uncompressed", "sha256:" HEX32 }, { SOURCE "y", "r" } },
          "docker.io/library/busybox docker.io/a/b quay.io/a/b docker.io/b x/a " },
    };
    struct world *world = *state;
    struct owners owners = { .arena = &world->arena, .digest = STR("sha256:" HEX32) };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char expected[256] = "";

        assert_int_equal(add_entry(world, &owners, rows[i].labels), 0);
        for (size_t k = 0; k < owners.n; k++)
            snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "%.*s ",
                     STR_ARG(owners.repositories[k]));
        assert_string_equal(expected, rows[i].expected);
    }
    assert_false(owners.more);
}

static void repositories_over_the_limit_are_reported(void **state)
{
    struct world *world = *state;
    struct owners owners = { .arena = &world->arena, .digest = STR("sha256:" HEX32) };
    char names[1024] = "";

    for (size_t i = 0; i < LIMIT_BLOB_REPOSITORIES; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "team/%zu,", i);
    assert_int_equal(add_entry(world, &owners, (struct label[4]){ NAMED, { SOURCE "x", names } }),
                     0);
    assert_int_equal(owners.n, LIMIT_BLOB_REPOSITORIES);
    assert_false(owners.more);
    assert_int_equal(
        add_entry(world, &owners, (struct label[4]){ NAMED, { SOURCE "x", "one/more" } }), 0);
    assert_int_equal(owners.n, LIMIT_BLOB_REPOSITORIES);
    assert_true(owners.more);
}

/* --- bad bytes -------------------------------------------------------------------------------- */

static void undecodable_bytes_are_an_error(void **state)
{
    struct world *world = *state;
    struct owners owners = { .arena = &world->arena };
    struct ingests_fact fact = { .n = 7 };
    bool more = true;

    assert_int_equal(decode_ingests(STR("<html>"), &world->arena, &fact, &more, &world->err),
                     -EPROTO);
    assert_non_null(strstr(world->err.text, "ListStatusesResponse"));
    assert_int_equal(fact.n, 7);
    assert_true(more);
    err_clear(&world->err);
    assert_int_equal(decode_owners(STR("\x0a\xff\xff\xff\xff\x0f"), &owners, &world->err), -EPROTO);
    assert_non_null(strstr(world->err.text, "ListContentResponse"));
}

static void a_truncated_answer_is_decoded_or_an_error(void **state)
{
    struct world *world = *state;
    struct str whole = recorded(world, RECORDED_1_6 "owners.pb");
    unsigned refused = 0;

    for (size_t len = 0; len < whole.len; len++) {
        /* A heap block of exactly that size, so that sanitizers detect reading past its end. */
        struct owners owners = { .arena = &world->arena, .digest = STR(SHARED_LAYER) };
        char *cut = malloc(len ? len : 1);
        int r;

        assert_non_null(cut);
        memcpy(cut, whole.at, len);
        r = decode_owners((struct str){ .at = cut, .len = len }, &owners, NULL);
        assert_true(r == 0 || r == -EPROTO);
        assert_true(owners.n < 2);
        refused += r < 0;
        free(cut);
    }
    assert_true(refused > whole.len / 2);
}

static void failed_allocations_are_errors_without_leaks(void **state)
{
    struct world *world = *state;
    struct str bytes = recorded(world, RECORDED_1_6 "owners.pb");

    for (size_t n = 0;; n++) {
        struct arena arena;
        struct owners owners = { .arena = &arena, .digest = STR(SHARED_LAYER) };
        int r;

        arena_init(&arena, LIMIT_DECODE_ARENA);
        fault_heap_fail_at(n);
        r = decode_owners(bytes, &owners, NULL);
        arena_done(&arena);
        assert_int_equal(fault_heap_live(), 0);
        if (!fault_heap_fired()) {
            assert_int_equal(r, 0);
            return;
        }
        assert_int_equal(r, -ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DECODE_TEST(blobs_in_flight_of_containerd_are_decoded),
        DECODE_TEST(owners_of_a_layer_of_containerd_are_decoded),
        DECODE_TEST(a_blob_without_a_manifest_has_no_owner),
        DECODE_TEST(newest_time_of_a_repository_is_decoded),
        DECODE_TEST(blobs_of_a_repository_are_decoded),
        DECODE_TEST(the_newest_blobs_of_a_repository_are_kept),
        DECODE_TEST(repositories_are_checked),
        DECODE_TEST(digests_are_checked),
        DECODE_TEST(the_digest_is_in_the_name_or_in_its_own_field),
        DECODE_TEST(out_of_range_numbers_are_unknown),
        DECODE_TEST(blobs_over_the_limit_are_reported),
        DECODE_TEST(blobs_without_a_byte_are_left_out_first),
        DECODE_TEST(blobs_that_are_idle_for_longest_are_left_out),
        DECODE_TEST(no_blobs_in_flight_are_valid),
        DECODE_TEST(repositories_are_listed_once),
        DECODE_TEST(repositories_over_the_limit_are_reported),
        DECODE_TEST(undecodable_bytes_are_an_error),
        DECODE_TEST(a_truncated_answer_is_decoded_or_an_error),
        DECODE_TEST(failed_allocations_are_errors_without_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
