/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A sink before the sink, which says once when the first list of pods holds none: a wrong
 * --node-name is no error to the API server. Passes on what readers of pods call: observe,
 * limit_hit and wanted. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>

#include "sink.h"

struct first_list {
    struct sink sink; /* hand this one to the streams */
    const struct sink *behind;
    const char *subject;
    size_t pods; /* of it so far */
    bool over;
    bool told; /* that it was empty */
};

/* `behind` and `subject` ("pods of node n1") must outlive it, and it must stay where it is. */
void first_list_init(struct first_list *first, const struct sink *behind, const char *subject);
