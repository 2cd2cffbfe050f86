/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/support/debug_answer.h"

int debug_answer(struct buf *out, const struct debug_json_list *list,
                 const struct snapshot *snapshot, size_t *ret_n, struct err *err)
{
    return debug_answer_of_pod(out, list, snapshot, NULL, NULL, ret_n, err);
}

int debug_answer_of_pod(struct buf *out, const struct debug_json_list *list,
                        const struct snapshot *snapshot, const char *namespace, const char *pod,
                        size_t *ret_n, struct err *err)
{
    struct debug_json json = {
        .list = list, .snapshot = snapshot, .namespace = namespace, .pod = pod
    };
    int r = debug_json_rest(&json, out, err);

    if (r == 0)
        *ret_n = json.written;
    return r;
}
