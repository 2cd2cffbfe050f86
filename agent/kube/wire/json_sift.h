/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Drops what nobody reads of a JSON text, while it arrives: the same as include/sift.h for
 * protobuf. What is left is a JSON text, too, with only those members that the rules name. Of what
 * is dropped only the nesting is checked, and whether strings end; what is kept is for a parser to
 * check.
 *
 * The memory is that of what is kept. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "err.h"
#include "str.h"

/* One member of an object that is read. A table ends with a row without a key. */
struct json_rule {
    const char *key;
    /* The members of its value, or of each item of its value. NULL: it is a plain value. Of an
     * object or list that no rule describes, only the brackets are kept. */
    const struct json_rule *members;
    bool is_list;
    bool drop_empty; /* items of which nothing is left are dropped */
    bool units;      /* items are handed on one by one */
};

struct json_sift_rules {
    const struct json_rule *members; /* of the outermost object */
    size_t most_items;               /* of each list, except units; further ones are dropped */
    size_t most_text;                /* about so many bytes of each string; the rest is dropped */
    size_t most_kept;                /* bytes; a unit with more is left out, and counted */

    void *self;
    /* `unit` lives until this returns. A negative errno, with `err` set, ends all. */
    int (*take)(void *self, struct str unit, struct err *err);
};

#define JSON_SIFT_DEPTH 12 /* of the rules; checked by an assertion */
#define JSON_SIFT_KEY 64   /* a longer key has no rule */

struct json_sift_level {
    const struct json_rule *rule; /* of the object or list; NULL: nothing in it is read */
    bool is_list, empty;
    size_t items;
    size_t begins; /* in `out`: the comma, key and value that are read now */
};

struct json_sift {
    const struct json_sift_rules *rules;
    struct json_rule outermost;
    struct json_sift_level levels[JSON_SIFT_DEPTH];
    unsigned depth;
    enum {
        JSON_AT_VALUE,
        JSON_AT_VALUE_OR_END, /* after the opening bracket of a list */
        JSON_AT_KEY,
        JSON_AT_KEY_OR_END,
        JSON_IN_KEY,
        JSON_AT_COLON,
        JSON_IN_STRING,
        JSON_IN_WORD,
        JSON_IN_NEST, /* an object or list that is dropped */
        JSON_AFTER_VALUE,
        JSON_AT_END,
    } state;
    const struct json_rule *rule; /* of the present value; NULL: it is dropped */
    bool kept, escaped, in_string;
    bool damaged;  /* it is not JSON */
    size_t nest;   /* brackets that are open in JSON_IN_NEST */
    size_t string; /* bytes of the present string that were kept */
    unsigned hex;  /* digits of an escape in it that have not arrived */
    char key[JSON_SIFT_KEY];
    size_t key_len;
    size_t received;   /* bytes so far */
    unsigned left_out; /* units */
    struct buf out;
};

/* `rules` must outlive it. */
void json_sift_init(struct json_sift *sift, const struct json_sift_rules *rules);
void json_sift_done(struct json_sift *sift);

/* The next bytes. Returns 0, -EPROTO (not JSON: `sift->received` bytes were), -ENOMEM, -EMSGSIZE
 * (too much outside of units), or what `take` returned. */
int json_sift_feed(struct json_sift *sift, struct str bytes, struct err *err);

/* The text is over. Returns 0 and what was kept, without units; or -EPROTO: it was cut. */
int json_sift_end(struct json_sift *sift, struct str *ret, struct err *err);
