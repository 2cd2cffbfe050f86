/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/list_json.h"

#include <errno.h>

#include "agent/kube/decode_json.h"
#include "agent/kube/refusal.h"

/* A message may hold a NUL, which somebody else chose. */
#define PARSE_FLAGS JSON_ALLOW_NUL

static int parse(struct str body, json_t **ret, struct err *err)
{
    char begins[REFUSAL_TEXT_SIZE];
    json_error_t why;
    json_t *json = json_loadb(body.at ? body.at : "", body.len, PARSE_FLAGS, &why);

    if (!json && json_error_code(&why) == json_error_out_of_memory)
        return err_set(err, -ENOMEM, "no memory for %zu bytes of JSON", body.len);
    if (!json) {
        refusal_clean(str_head(body, 20), begins);
        return err_set(err, -EPROTO, "%zu bytes that are no JSON (%.80s at byte %d): '%s'",
                       body.len, why.text, why.position, begins);
    }
    *ret = json;
    return 0;
}

static int find_items(const json_t *json, const json_t **ret, struct err *err)
{
    const char *kind = json_string_value(json_object_get(json, "kind"));
    const json_t *items = json_object_get(json, "items");

    if (!kind || strcmp(kind, "PodList") != 0)
        return err_set(err, -EPROTO, "a '%.40s' instead of a PodList", kind ? kind : "");
    /* Go writes null for a list that was never filled. */
    if (!items || (!json_is_array(items) && !json_is_null(items)))
        return err_set(err, -EPROTO, "a PodList whose items are no list");
    *ret = items;
    return 0;
}

/* All of them, once to see whether they are good and once to hand them on. */
static int take_pods(struct intake *intake, const json_t *items, bool hand_on, struct err *err)
{
    struct kube_pod pod;
    int r = 0;

    for (size_t i = 0; r == 0 && i < json_array_size(items); i++) {
        r = kube_decode_pod_json(&intake->arena, json_array_get(items, i), &pod, err);
        if (r == 0 && hand_on)
            intake_pod(intake, &pod);
        arena_reset(&intake->arena);
    }
    return r;
}

int list_json_take(struct intake *intake, struct str body, struct err *err)
{
    const json_t *items = NULL;
    json_t *json = NULL;
    int r;

    r = parse(body, &json, err);
    if (r < 0)
        return r;
    r = find_items(json, &items, err);
    if (r == 0)
        r = take_pods(intake, items, false, err);
    if (r == 0) {
        intake_list_begin(intake);
        r = take_pods(intake, items, true, err);
        if (r == 0)
            intake_list_end(intake);
    }
    arena_done(&intake->arena);
    json_decref(json);
    return r;
}
