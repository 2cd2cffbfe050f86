/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/list_json.h"

#include <errno.h>

#include "agent/kube/wire/decode_json.h"
#include "agent/kube/wire/json_scan.h"
#include "agent/kube/wire/refusal.h"

/* A message may hold a NUL, which somebody else chose. What is no object is told apart later. */
#define PARSE_FLAGS (JSON_ALLOW_NUL | JSON_DECODE_ANY)

/* `at` is what was not understood. */
static int no_json(struct str body, struct str at, const char *why, struct err *err)
{
    char begins[REFUSAL_TEXT_SIZE];

    refusal_clean(str_head(body, 20), begins);
    return err_set(err, -EPROTO, "%zu bytes that are no JSON (%.80s at byte %zu): '%s'", body.len,
                   why, body.len ? (size_t)(at.at - body.at) + 1 : 0, begins);
}

static int parse(struct str body, struct str item, json_t **ret, struct err *err)
{
    json_error_t why;
    json_t *json = json_loadb(item.at, item.len, PARSE_FLAGS, &why);

    if (!json && json_error_code(&why) == json_error_out_of_memory)
        return err_set(err, -ENOMEM, "no memory for %zu bytes of JSON", item.len);
    if (!json)
        return no_json(body, str_skip(item, why.position > 0 ? (size_t)why.position - 1 : 0),
                       why.text, err);
    *ret = json;
    return 0;
}

/* Where its items are, from after the bracket on; empty where the list was never filled, for which
 * Go writes null. */
static int find_items(struct str body, struct str *ret, struct err *err)
{
    struct str rest = body, kind = { 0 }, items = { 0 }, key, value;
    bool first = true;
    int r = 0;

    if (!json_scan_byte(&rest, '{')) {
        if (!json_scan_value(&rest, &value) || !json_scan_is_over(rest))
            return no_json(body, rest, "no value", err);
    } else {
        while ((r = json_scan_next(&rest, &first, &key, &value)) > 0) {
            if (str_eq(key, STR("kind")))
                kind = value;
            else if (str_eq(key, STR("items")))
                items = value;
        }
        if (r < 0 || !json_scan_is_over(rest))
            return no_json(body, rest, "cut or damaged", err);
    }
    if (!str_eq(kind, STR("\"PodList\"")))
        return err_set(err, -EPROTO, "a '%.*s' instead of a PodList",
                       kind.len > 1 && kind.at[0] == '"' ? (int)str_head(kind, 42).len - 2 : 0,
                       kind.at ? kind.at + 1 : "");
    if (!json_scan_byte(&items, '[') && !str_eq(items, STR("null")))
        return err_set(err, -EPROTO, "a PodList whose items are no list");
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

/*
 * All of them, once to see whether they are good and once to hand them on. Each is parsed alone:
 * the tree of a whole list is ten times its text, and would be the largest thing that the agent
 * ever has.
 */
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
    return r < 0 ? no_json(body, items, "cut or damaged", err) : 0;
}

int list_json_take(struct intake *intake, struct str body, struct err *err)
{
    struct str items = { 0 };
    int r;

    r = find_items(body, &items, err);
    if (r == 0)
        r = take_pods(intake, body, items, false, err);
    if (r == 0) {
        intake_list_begin(intake);
        r = take_pods(intake, body, items, true, err);
        if (r == 0)
            intake_list_end(intake);
    }
    arena_done(&intake->arena);
    return r;
}
