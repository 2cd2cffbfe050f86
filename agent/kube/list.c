/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/list.h"

#include <errno.h>

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
        return err_set(err, -EPROTO, "a '%.*s' instead of a %.*s",
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
        r = intake_reached(intake, list.resource_version, err);
        if (r < 0)
            return r;
        intake_list_end(intake);
    }
    *ret_continue = list.continue_token;
    return 0;
}
