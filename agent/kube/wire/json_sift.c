/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/wire/json_sift.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static struct json_sift_level *top(struct json_sift *sift)
{
    return &sift->levels[sift->depth];
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static int malformed(struct json_sift *sift, const char *why, struct err *err)
{
    sift->damaged = true;
    return err_set(err, -EPROTO, "%s", why);
}

/* --- output ----------------------------------------------------------------------------------- */

static void put(struct json_sift *sift, char byte)
{
    buf_add_byte(&sift->out, byte);
}

static void cut_back(struct json_sift *sift, size_t len)
{
    if (sift->out.at && len < sift->out.len) {
        sift->out.len = len;
        sift->out.at[len] = '\0';
    }
    sift->out.error = 0;
}

/* The level of a list of units in which something is read; -1: none. */
static int units_level(const struct json_sift *sift)
{
    for (int i = (int)sift->depth; i >= 0; i--) {
        if (sift->levels[i].rule && sift->levels[i].rule->units && sift->levels[i].is_list)
            return i;
    }
    return -1;
}

/* Over most_kept: takes the unit back and drops the rest of it. */
static int leave_out_unit(struct json_sift *sift, struct err *err)
{
    const int at = units_level(sift);
    const bool in_text = sift->state == JSON_IN_STRING || sift->state == JSON_IN_KEY;

    if (buf_error(&sift->out) != -E2BIG)
        return err_set(err, -ENOMEM, "no memory for %zu bytes of JSON", sift->out.len);
    if (at < 0)
        return err_set(err, -EMSGSIZE, "more than %zu bytes of JSON would be kept",
                       sift->rules->most_kept);
    cut_back(sift, sift->levels[at].begins);
    sift->left_out++;
    sift->kept = false;
    if ((unsigned)at == sift->depth)
        return 0; /* a plain value in the place of an object: the rest of it is dropped */
    sift->nest = sift->depth - (unsigned)at + (sift->state == JSON_IN_NEST ? sift->nest : 0);
    sift->in_string = in_text || (sift->state == JSON_IN_NEST && sift->in_string);
    sift->depth = (unsigned)at;
    sift->state = JSON_IN_NEST;
    return 0;
}

/* --- values ----------------------------------------------------------------------------------- */

static const struct json_rule *find_rule(const struct json_sift *sift)
{
    const struct json_sift_level *level = &sift->levels[sift->depth];
    const struct json_rule *rule = level->rule ? level->rule->members : NULL;

    for (; rule && rule->key; rule++) {
        if (strlen(rule->key) == sift->key_len && !memcmp(rule->key, sift->key, sift->key_len))
            return rule;
    }
    return NULL;
}

/* The rule of an item of the present list. */
static const struct json_rule *item_rule(struct json_sift *sift)
{
    const struct json_sift_level *level = top(sift);
    const size_t most = sift->rules->most_items;

    if (!level->rule || !level->rule->is_list)
        return NULL;
    return most && !level->rule->units && level->items >= most ? NULL : level->rule;
}

/* Writes what comes before a value that is kept. */
static void put_key(struct json_sift *sift)
{
    struct json_sift_level *level = top(sift);

    level->begins = sift->out.len;
    if (sift->depth == 0)
        return;
    if (!level->empty)
        put(sift, ',');
    if (level->is_list)
        return;
    put(sift, '"');
    buf_add(&sift->out, (struct str){ .at = sift->key, .len = sift->key_len });
    put(sift, '"');
    put(sift, ':');
}

static void open_nest(struct json_sift *sift, char byte)
{
    const bool in_list = top(sift)->is_list;
    const struct json_rule *rule = sift->rule;
    const bool fits = rule && rule->members && (rule->is_list && !in_list) == (byte == '[');

    if (!sift->kept) {
        sift->state = JSON_IN_NEST;
        sift->nest = 1;
        sift->in_string = false;
        return;
    }
    assert(sift->depth + 1 < JSON_SIFT_DEPTH);
    put(sift, byte);
    sift->depth++;
    *top(sift) = (struct json_sift_level){ .rule = fits ? rule : NULL,
                                           .is_list = byte == '[',
                                           .empty = true };
    sift->state = byte == '[' ? JSON_AT_VALUE_OR_END : JSON_AT_KEY_OR_END;
}

static int begin_value(struct json_sift *sift, char byte, struct err *err)
{
    if (top(sift)->is_list)
        sift->rule = item_rule(sift);
    sift->kept = sift->rule != NULL;
    if (sift->kept)
        put_key(sift);
    sift->escaped = false;
    sift->hex = 0;
    sift->string = 0;
    if (byte == '{' || byte == '[') {
        open_nest(sift, byte);
    } else if (byte == '"') {
        sift->state = JSON_IN_STRING;
        if (sift->kept)
            put(sift, byte);
    } else if ((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || byte == '-') {
        sift->state = JSON_IN_WORD;
        if (sift->kept)
            put(sift, byte);
    } else {
        return malformed(sift, "value expected", err);
    }
    return 0;
}

/* A value in the present level is over. */
static int end_value(struct json_sift *sift, struct err *err)
{
    struct json_sift_level *level = top(sift);
    int r;

    sift->state = sift->depth == 0 ? JSON_AT_END : JSON_AFTER_VALUE;
    if (buf_error(&sift->out)) {
        r = leave_out_unit(sift, err);
        if (r < 0 || !sift->kept)
            return r;
    }
    if (!sift->kept)
        return 0;
    if (level->is_list && level->rule && level->rule->units) {
        const size_t begins = level->begins;

        r = sift->rules->take(sift->rules->self, str_skip(buf_str(&sift->out), begins), err);
        cut_back(sift, begins);
        return r;
    }
    if (level->is_list && level->rule && level->rule->drop_empty &&
        str_ends(buf_str(&sift->out), STR("{}"))) {
        cut_back(sift, level->begins);
        return 0;
    }
    level->items++;
    level->empty = false;
    return 0;
}

static int close_nest(struct json_sift *sift, char byte, struct err *err)
{
    if (byte != (top(sift)->is_list ? ']' : '}'))
        return malformed(sift, "cut or damaged", err);
    put(sift, byte);
    sift->depth--;
    sift->kept = true; /* only these have a level */
    return end_value(sift, err);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static bool is_plain(char byte)
{
    return (unsigned char)byte < 0x80;
}

/* A string is not cut in an escape, between two that belong together, or in a UTF-8 sequence. */
static int in_string(struct json_sift *sift, char byte, struct err *err)
{
    const bool ends = byte == '"' && !sift->escaped;
    const size_t most = sift->rules->most_text;

    if (sift->kept && most && sift->string >= most && is_plain(byte) && byte != '\\' &&
        !sift->escaped && !sift->hex && !ends) {
        put(sift, '"'); /* the rest is dropped, but the value is kept */
        sift->state = JSON_IN_NEST;
        sift->nest = 0;
        sift->in_string = true;
        return 0;
    }
    if (sift->kept) {
        put(sift, byte);
        sift->string++;
    }
    if (sift->hex)
        sift->hex--;
    else if (sift->escaped && byte == 'u')
        sift->hex = 4;
    sift->escaped = byte == '\\' && !sift->escaped;
    if (ends)
        return end_value(sift, err);
    return 0;
}

static void in_key(struct json_sift *sift, char byte)
{
    if (byte == '"' && !sift->escaped) {
        sift->state = JSON_AT_COLON;
        return;
    }
    sift->escaped = byte == '\\' && !sift->escaped;
    if (sift->key_len < JSON_SIFT_KEY)
        sift->key[sift->key_len] = byte;
    sift->key_len++; /* a length over the size matches no rule */
}

static int in_nest(struct json_sift *sift, char byte, struct err *err)
{
    if (sift->in_string) {
        if (byte == '"' && !sift->escaped) {
            sift->in_string = false;
            if (sift->nest == 0)
                return end_value(sift, err);
        }
        sift->escaped = byte == '\\' && !sift->escaped;
        return 0;
    }
    if (byte == '"') {
        sift->in_string = true;
        sift->escaped = false;
    } else if (byte == '{' || byte == '[') {
        sift->nest++;
    } else if ((byte == '}' || byte == ']') && --sift->nest == 0) {
        return end_value(sift, err);
    }
    return 0;
}

static int at_key(struct json_sift *sift, char byte, struct err *err)
{
    if (byte == '}' && sift->state == JSON_AT_KEY_OR_END)
        return close_nest(sift, byte, err);
    if (byte != '"')
        return malformed(sift, "key expected", err);
    sift->state = JSON_IN_KEY;
    sift->key_len = 0;
    sift->escaped = false;
    return 0;
}

static int after_value(struct json_sift *sift, char byte, struct err *err)
{
    if (byte == ',') {
        sift->state = top(sift)->is_list ? JSON_AT_VALUE : JSON_AT_KEY;
        return 0;
    }
    return close_nest(sift, byte, err);
}

static bool is_word(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || byte == '-' ||
           byte == '+' || byte == '.' || byte == 'E';
}

/* A byte that is not a blank, outside of strings and words. */
static int between(struct json_sift *sift, char byte, struct err *err)
{
    switch (sift->state) {
    case JSON_AT_VALUE_OR_END:
        if (byte == ']')
            return close_nest(sift, byte, err);
        return begin_value(sift, byte, err);
    case JSON_AT_VALUE:
        return begin_value(sift, byte, err);
    case JSON_AT_KEY:
    case JSON_AT_KEY_OR_END:
        return at_key(sift, byte, err);
    case JSON_AT_COLON:
        if (byte != ':')
            return malformed(sift, "':' expected", err);
        sift->rule = find_rule(sift);
        sift->state = JSON_AT_VALUE;
        return 0;
    case JSON_AFTER_VALUE:
        return after_value(sift, byte, err);
    default:
        return malformed(sift, "cut or damaged", err);
    }
}

static int take_byte(struct json_sift *sift, char byte, struct err *err)
{
    int r;

    switch (sift->state) {
    case JSON_IN_STRING:
        return in_string(sift, byte, err);
    case JSON_IN_KEY:
        in_key(sift, byte);
        return 0;
    case JSON_IN_NEST:
        return in_nest(sift, byte, err);
    case JSON_IN_WORD:
        if (is_word(byte)) {
            if (sift->kept)
                put(sift, byte);
            return 0;
        }
        r = end_value(sift, err);
        if (r < 0)
            return r;
        break;
    default:
        break;
    }
    return is_blank(byte) ? 0 : between(sift, byte, err);
}

int json_sift_feed(struct json_sift *sift, struct str bytes, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < bytes.len && r == 0; i++) {
        sift->received++;
        r = take_byte(sift, bytes.at[i], err);
        if (r == 0 && buf_error(&sift->out))
            r = leave_out_unit(sift, err);
    }
    return r;
}

void json_sift_init(struct json_sift *sift, const struct json_sift_rules *rules)
{
    *sift = (struct json_sift){ .rules = rules, .state = JSON_AT_VALUE };
    /* The outermost value: as one that a rule names. */
    sift->outermost = (struct json_rule){ .key = "", .members = rules->members };
    sift->rule = &sift->outermost;
    buf_init(&sift->out, rules->most_kept);
}

void json_sift_done(struct json_sift *sift)
{
    buf_done(&sift->out);
}

int json_sift_end(struct json_sift *sift, struct str *ret, struct err *err)
{
    int r;

    if (sift->state == JSON_IN_WORD && sift->depth == 0) {
        r = end_value(sift, err);
        if (r < 0)
            return r;
    }
    if (sift->state != JSON_AT_END)
        return malformed(sift, "cut or damaged", err);
    *ret = buf_str(&sift->out);
    return 0;
}
