/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/list.h"

#include <errno.h>

#include "agent/kube/wire/decode_json.h"
#include "agent/kube/wire/json_scan.h"
#include "agent/kube/wire/refusal.h"

/* --- protobuf --------------------------------------------------------------------------------- */

static int open_list(enum kube_resource resource, struct str body, struct kube_list *ret,
                     struct err *err)
{
    const struct str kind = resource == KUBE_PODS ? STR("PodList") : STR("EventList");
    struct kube_object object;
    int r;

    r = kube_object_open(body, &object, err);
    if (r < 0)
        return r;
    if (!str_eq(object.kind, kind))
        return err_set(err, -EPROTO, "received '%.*s' instead of '%.*s'",
                       STR_ARG(str_head(object.kind, 40)), STR_ARG(kind));
    return kube_list_open(object.raw, ret, err);
}

int list_take(struct intake *intake, struct str body, bool first_page, struct str *ret_continue,
              struct err *err)
{
    struct kube_list list;
    struct str item;
    int r;

    r = open_list(intake->resource, body, &list, err);
    if (r < 0)
        return r;
    if (first_page)
        intake_list_begin(intake);
    while (kube_list_next(&list, &item) > 0) {
        r = intake_object(intake, item, 0, err);
        if (r < 0)
            return r;
    }
    if (list.continue_token.len == 0) {
        r = intake_advance(intake, list.resource_version, err);
        if (r < 0)
            return r;
        intake_list_end(intake);
    }
    *ret_continue = list.continue_token;
    return 0;
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* A message may contain a NUL. Whether an item is an object is checked by its decoder. */
#define PARSE_FLAGS (JSON_ALLOW_NUL | JSON_DECODE_ANY)

/* `at`: where the error is. */
static int refuse_json(struct str body, struct str at, const char *why, struct err *err)
{
    char start[REFUSAL_TEXT_SIZE];

    refusal_clean(str_head(body, 20), start);
    return err_set(err, -EPROTO, "%zu bytes are not valid JSON (%.80s at byte %zu): '%s'", body.len,
                   why, body.len ? (size_t)(at.at - body.at) + 1 : 0, start);
}

static int parse(struct str body, struct str item, json_t **ret, struct err *err)
{
    json_error_t why;
    json_t *json = json_loadb(item.at, item.len, PARSE_FLAGS, &why);

    if (!json && json_error_code(&why) == json_error_out_of_memory)
        return err_set(err, -ENOMEM, "no memory for %zu bytes of JSON", item.len);
    if (!json)
        return refuse_json(body, str_skip(item, why.position > 0 ? (size_t)why.position - 1 : 0),
                           why.text, err);
    *ret = json;
    return 0;
}

/* Finds the members of the outermost object. */
static int scan_list(struct str body, struct str *ret_kind, struct str *ret_items, struct err *err)
{
    struct str rest = body, key, value;
    bool first = true;
    int r = 0;

    if (!json_scan_byte(&rest, '{')) {
        if (!json_scan_value(&rest, &value) || !json_scan_is_over(rest))
            return refuse_json(body, rest, "value expected", err);
        return 0;
    }
    while ((r = json_scan_next(&rest, &first, &key, &value)) > 0) {
        if (str_eq(key, STR("kind")))
            *ret_kind = value;
        else if (str_eq(key, STR("items")))
            *ret_items = value;
    }
    if (r < 0 || !json_scan_is_over(rest))
        return refuse_json(body, rest, "cut or damaged", err);
    return 0;
}

/* The text of `items` after its opening bracket. An empty list in Go may be null. */
static int find_items(struct str body, struct str *ret, struct err *err)
{
    struct str kind = { 0 }, items = { 0 };
    int r = scan_list(body, &kind, &items, err);

    if (r < 0)
        return r;
    if (!str_eq(kind, STR("\"PodList\"")))
        return err_set(err, -EPROTO, "received '%.*s' instead of 'PodList'",
                       kind.len > 1 && kind.at[0] == '"' ? (int)str_head(kind, 42).len - 2 : 0,
                       kind.at ? kind.at + 1 : "");
    if (!json_scan_byte(&items, '[') && !str_eq(items, STR("null")))
        return err_set(err, -EPROTO, "the items of a PodList are not a list");
    *ret = str_eq(items, STR("null")) ? STR("]") : items;
    return 0;
}

static int take_pod(struct intake *intake, const json_t *json, bool hand_on, struct err *err)
{
    struct kube_pod pod;
    int r = kube_decode_pod_json(&intake->arena, json, &pod, err);

    if (r == 0 && hand_on)
        intake_pod(intake, &pod);
    arena_reset(&intake->arena);
    return r;
}

/* Parses one pod after the other: the tree of a whole list would need ten times the memory of its
 * text. */
static int take_pods(struct intake *intake, struct str body, struct str items, bool hand_on,
                     struct err *err)
{
    bool first = true;
    struct str item;
    int r;

    while ((r = json_scan_next(&items, &first, NULL, &item)) > 0) {
        json_t *json = NULL;

        r = parse(body, item, &json, err);
        if (r == 0)
            r = take_pod(intake, json, hand_on, err);
        json_decref(json);
        if (r < 0)
            return r;
    }
    return r < 0 ? refuse_json(body, items, "cut or damaged", err) : 0;
}

int list_take_json(struct intake *intake, struct str body, struct err *err)
{
    struct str items = { 0 };
    int r;

    r = find_items(body, &items, err);
    if (r == 0)
        r = take_pods(intake, body, items, false, err); /* check all of them first */
    if (r == 0) {
        intake_list_begin(intake);
        r = take_pods(intake, body, items, true, err);
        if (r == 0)
            intake_list_end(intake);
    }
    arena_done(&intake->arena);
    return r;
}
