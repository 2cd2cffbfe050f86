/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Splits a JSON object into the members of one of its lists and the rest, while it arrives: an
 * answer of 2,000 failures has tens of megabytes. It only finds where a member ends; a JSON parser
 * reads the pieces.
 */

#include <stdbool.h>

#include "buf.h"
#include "err.h"

struct status_split {
    const char *list; /* the key of the list */
    void *self;
    /* The list begins; `head` is the object so far, with an empty list. 0 or a negative errno. */
    int (*begin)(void *self, struct str head, struct err *err);
    int (*member)(void *self, struct str member, struct err *err);
    /* The fields below belong to the splitter. */
    struct buf rest, piece;
    int depth;
    bool in_text, escaped, in_list;
};

void status_split_begin(struct status_split *split);
void status_split_done(struct status_split *split);

/* Takes the next bytes. 0, an error of a callback, or -E2BIG or -ENOMEM. */
int status_split_feed(struct status_split *split, struct str bytes, struct err *err);

/* The object without the members. */
struct str status_split_rest(const struct status_split *split);
