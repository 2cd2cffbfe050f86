/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/list.h"

#include <errno.h>

#include "agent/kube/wire/decode_json.h"
#include "agent/kube/wire/refusal.h"

static void begin_once(struct list *list)
{
    if (list->begins)
        intake_list_begin(list->intake);
    list->begins = false;
}

static struct str start_of(const struct list *list)
{
    return (struct str){ .at = list->start,
                         .len = list->received < LIST_START ? list->received : LIST_START };
}

/* The bytes of `received`, of which `bytes` are the last ones, without those of the magic number.
 */
static struct str behind_magic(const struct list *list, struct str bytes)
{
    const size_t before = list->received - bytes.len;

    return before < KUBE_OBJECT_MAGIC.len ? str_skip(bytes, KUBE_OBJECT_MAGIC.len - before) : bytes;
}

static void count_left_out(struct list *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        intake_left_out(list->intake, LIMIT_HIT_LIST_BODY);
}

/* --- protobuf --------------------------------------------------------------------------------- */

/* An item is handed in as soon as it is complete, and dropped. */
static int complete(void *self, const struct ProtobufCMessageDescriptor *type, struct str kept,
                    struct err *err)
{
    struct list *list = self;
    int r;

    if (type != kept_object(list->intake->resource))
        return kept_complete(NULL, type, kept, err);
    begin_once(list);
    r = intake_take(list->intake, kept, 0, err);
    return r < 0 ? r : SIFT_DROP;
}

static int feed_protobuf(struct list *list, struct str bytes, struct err *err)
{
    const struct str start = start_of(list);

    if (start.len >= KUBE_OBJECT_MAGIC.len && !kube_object_begins(start))
        return start.len == LIST_START ? kube_object_refuse(start, list->received, err) : 0;
    return sift_feed(&list->sift, behind_magic(list, bytes), err);
}

static int open_list(enum kube_resource resource, struct str unknown, struct kube_list *ret,
                     struct err *err)
{
    const struct str kind = resource == KUBE_PODS ? STR("PodList") : STR("EventList");
    struct kube_object object;
    int r;

    r = kube_unknown_open(unknown, &object, err);
    if (r < 0)
        return r;
    if (!str_eq(object.kind, kind))
        return err_set(err, -EPROTO, "received '%.*s' instead of '%.*s'",
                       STR_ARG(str_head(object.kind, 40)), STR_ARG(kind));
    return kube_list_open(object.raw, ret, err);
}

static int end_protobuf(struct list *list, struct str *ret_continue, struct err *err)
{
    struct intake *intake = list->intake;
    struct kube_list rest = { .continue_token = STR("") };
    struct str kept;
    int r;

    if (!kube_object_begins(start_of(list)))
        return kube_object_refuse(start_of(list), list->received, err);
    r = sift_end(&list->sift, &kept, err);
    if (r == 0)
        r = open_list(intake->resource, kept, &rest, err);
    if (r < 0)
        return r;
    count_left_out(list, list->sift.left_out);
    begin_once(list);
    if (rest.continue_token.len == 0) {
        r = intake_advance(intake, rest.resource_version, err);
        if (r < 0)
            return r;
        intake_list_end(intake);
    }
    *ret_continue = rest.continue_token;
    return 0;
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* A message may contain a NUL. Whether an item is an object is checked by its decoder. */
#define PARSE_FLAGS (JSON_ALLOW_NUL | JSON_DECODE_ANY)

static int refuse_json(const struct list *list, const char *why, struct err *err)
{
    char start[REFUSAL_TEXT_SIZE], text[REFUSAL_TEXT_SIZE];

    refusal_clean(str_head(start_of(list), 20), start);
    refusal_clean(str_from(why), text);
    return err_set(err, -EPROTO, "%zu bytes are not valid JSON (%.80s at byte %zu): '%s'",
                   list->received, text, list->json_sift.received, start);
}

static int parse(const struct list *list, struct str text, json_t **ret, struct err *err)
{
    json_error_t why;
    json_t *json = json_loadb(text.at, text.len, PARSE_FLAGS, &why);

    if (!json && json_error_code(&why) == json_error_out_of_memory)
        return err_set(err, -ENOMEM, "no memory for %zu bytes of JSON", text.len);
    if (!json)
        return refuse_json(list, why.text, err);
    *ret = json;
    return 0;
}

static int take_pod(void *self, struct str text, struct err *err)
{
    struct list *list = self;
    struct intake *intake = list->intake;
    struct kube_pod pod;
    json_t *json = NULL;
    int r = parse(list, text, &json, err);

    if (r == 0)
        r = kube_decode_pod_json(&intake->arena, json, &pod, err);
    if (r == 0) {
        begin_once(list);
        intake_pod(intake, &pod);
    }
    arena_reset(&intake->arena);
    json_decref(json);
    return r;
}

/* The error of json_sift.h names only what is wrong; those of pods are complete. */
static int feed_json(struct list *list, struct str bytes, struct err *err)
{
    struct err why = ERR_INIT;
    int r = json_sift_feed(&list->json_sift, bytes, &why);

    if (r == -EPROTO && list->json_sift.damaged)
        return refuse_json(list, why.text, err);
    return r < 0 ? err_set(err, r, "%s", why.text) : 0;
}

/* What is left of the list: its kind, and no items. An empty list in Go may be null. */
static int check_list(const json_t *json, struct err *err)
{
    const char *kind = json_string_value(json_object_get(json, "kind"));
    const json_t *items = json_object_get(json, "items");

    if (!kind || strcmp(kind, "PodList") != 0)
        return err_set(err, -EPROTO, "received '%.40s' instead of 'PodList'", kind ? kind : "");
    if (!json_is_array(items) && !json_is_null(items))
        return err_set(err, -EPROTO, "the items of a PodList are not a list");
    return 0;
}

static int end_json(struct list *list, struct err *err)
{
    struct err why = ERR_INIT;
    json_t *json = NULL;
    struct str kept;
    int r = json_sift_end(&list->json_sift, &kept, &why);

    if (r == -EPROTO)
        return refuse_json(list, why.text, err);
    if (r < 0)
        return err_set(err, r, "%s", why.text);
    r = parse(list, kept, &json, err);
    if (r == 0)
        r = check_list(json, err);
    json_decref(json);
    if (r < 0)
        return r;
    count_left_out(list, list->json_sift.left_out);
    begin_once(list);
    intake_list_end(list->intake);
    arena_done(&list->intake->arena);
    return 0;
}

/* --- both ------------------------------------------------------------------------------------- */

void list_init(struct list *list, struct intake *intake, bool json)
{
    *list = (struct list){ .intake = intake, .json = json };
    list->rules = kept_rules(intake->resource, list, "a list");
    list->rules.complete = complete;
    list->json_rules = decode_json_rules(list, take_pod);
    sift_init(&list->sift, &list->rules);
    json_sift_init(&list->json_sift, &list->json_rules);
}

void list_done(struct list *list)
{
    sift_done(&list->sift);
    json_sift_done(&list->json_sift);
    list->received = 0;
}

void list_begin(struct list *list, bool first_page)
{
    list->begins = first_page;
    list->received = 0;
    sift_begin(&list->sift, kept_list());
    json_sift_done(&list->json_sift);
    json_sift_init(&list->json_sift, &list->json_rules);
}

int list_feed(struct list *list, struct str bytes, struct err *err)
{
    const size_t n = list->received < LIST_START ? LIST_START - list->received : 0;
    const struct str start = str_head(bytes, n);

    if (start.len)
        memcpy(list->start + list->received, start.at, start.len);
    list->received += bytes.len;
    return list->json ? feed_json(list, bytes, err) : feed_protobuf(list, bytes, err);
}

int list_end(struct list *list, struct str *ret_continue, struct err *err)
{
    if (!list->json)
        return end_protobuf(list, ret_continue, err);
    *ret_continue = STR("");
    return end_json(list, err);
}
