/* SPDX-License-Identifier: Apache-2.0 */
#include "sift.h"

#include <assert.h>
#include <errno.h>
#include <protobuf-c/protobuf-c.h>
#include <string.h>

#include "mem.h"
#include "wire.h"

#define FIRST_SIZE 1024u
#define KEEP_SIZE (64u << 10) /* more memory than this is freed before the next message */
#define KEY_SIZE 5u
#define VARINT_SIZE 10u
/* The length of a message is known when it is over, so it always takes this many bytes. A varint
 * may have leading zeros. */
#define LENGTH_SIZE 4u
#define KEPT_MOST ((size_t)1 << (7 * LENGTH_SIZE))

static struct sift_level *top(struct sift *sift)
{
    return &sift->levels[sift->depth];
}

/* The level of the unit that is being read; 0: none. */
static unsigned unit_level(const struct sift *sift)
{
    unsigned at = sift->depth;

    while (at > 0 && sift->levels[at].type != sift->rules->unit)
        at--;
    return at;
}

static int malformed(const struct sift *sift, struct err *err)
{
    if (unit_level(sift))
        return err_set(err, -EPROTO, "the bytes of an item are not a valid %s",
                       sift->rules->unit->short_name);
    return err_set(err, -EPROTO, "%s is not valid protobuf", sift->rules->what);
}

/* --- output ----------------------------------------------------------------------------------- */

/* Whether `more` bytes may be kept. */
static bool is_room(const struct sift *sift, uint64_t more)
{
    const size_t limit = sift->rules->most_kept;
    const size_t most = limit && limit < KEPT_MOST ? limit : KEPT_MOST - 1;

    return more <= most && sift->len <= most - more;
}

static int reserve(struct sift *sift, size_t more, struct err *err)
{
    size_t size = sift->size ? sift->size : FIRST_SIZE;
    char *grown;

    if (sift->len + more <= sift->size)
        return 0;
    while (size < sift->len + more)
        size *= 2;
    grown = mem_realloc(sift->out, size);
    if (!grown)
        return err_set(err, -ENOMEM, "no memory for %zu bytes of a message", sift->len + more);
    sift->out = grown;
    sift->size = size;
    return 0;
}

static void put(struct sift *sift, const void *bytes, size_t n)
{
    memcpy(sift->out + sift->len, bytes, n);
    sift->len += n;
}

static void put_varint(struct sift *sift, uint64_t number)
{
    while (number >= 0x80) {
        sift->out[sift->len++] = (char)(number | 0x80);
        number >>= 7;
    }
    sift->out[sift->len++] = (char)number;
}

static void put_length(char *at, size_t length)
{
    for (unsigned i = 0; i < LENGTH_SIZE; i++)
        at[i] = (char)((length >> (7 * i) & 0x7f) | (i + 1 < LENGTH_SIZE ? 0x80 : 0));
}

/* Takes back what was kept of the innermost unit, and skips the rest of it. */
static int leave_out_unit(struct sift *sift, struct err *err)
{
    const unsigned at = unit_level(sift);

    if (at == 0)
        return err_set(err, -EMSGSIZE, "more than %zu bytes of %s would be kept",
                       sift->rules->most_kept, sift->rules->what);
    sift->gap += sift->head + sift->tail;
    sift->head = sift->tail = 0;
    for (unsigned i = at; i <= sift->depth; i++)
        sift->gap += sift->levels[i].left;
    sift->len = sift->levels[at].begins;
    sift->depth = at - 1;
    sift->state = SIFT_AT_KEY;
    sift->n = 0;
    sift->left_out++;
    return 0;
}

/* --- fields ----------------------------------------------------------------------------------- */

static enum wire_type wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;
    default:
        return WIRE_VARINT;
    }
}

/* The number of a repeated field in sift_level.items. */
static unsigned item_of(struct sift *sift, const ProtobufCFieldDescriptor *field)
{
    const size_t i = (size_t)(field - top(sift)->type->fields);

    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return SIFT_FIELDS;
    assert(i < SIFT_FIELDS);
    return (unsigned)i;
}

static bool is_enough(struct sift *sift, unsigned item)
{
    const size_t most = sift->rules->most_items;

    return most && item < SIFT_FIELDS && top(sift)->items[item] >= most;
}

static void count_item(struct sift *sift, unsigned item)
{
    if (item < SIFT_FIELDS)
        top(sift)->items[item]++;
}

/* A number: its bytes are in sift->varint. */
static int keep_number(struct sift *sift, struct err *err)
{
    const unsigned item = item_of(sift, sift->field);
    int r;

    if (is_enough(sift, item))
        return 0;
    if (!is_room(sift, KEY_SIZE + sift->n))
        return leave_out_unit(sift, err);
    r = reserve(sift, KEY_SIZE + sift->n, err);
    if (r < 0)
        return r;
    count_item(sift, item);
    put_varint(sift, sift->key);
    put(sift, sift->varint, sift->n);
    return 0;
}

/* `length` bytes that follow; the first `kept` of them, without the middle, are copied when they
 * arrive: what is announced may never come. */
static int keep_bytes(struct sift *sift, uint64_t length, uint64_t kept, struct err *err)
{
    const bool has_length = (sift->key & 7) == WIRE_BYTES;
    const unsigned item = item_of(sift, sift->field);
    int r;

    sift->gap = length;
    if (is_enough(sift, item))
        return 0;
    if (!is_room(sift, KEY_SIZE + VARINT_SIZE + kept))
        return leave_out_unit(sift, err);
    r = reserve(sift, KEY_SIZE + VARINT_SIZE, err);
    if (r < 0)
        return r;
    count_item(sift, item);
    put_varint(sift, sift->key);
    if (has_length)
        put_varint(sift, kept);
    sift->head = kept / 2;
    sift->tail = kept - sift->head;
    sift->gap = length - kept;
    return 0;
}

static int keep_text(struct sift *sift, uint64_t length, struct err *err)
{
    const uint64_t most = sift->rules->most_text;

    return keep_bytes(sift, length, most && length > most ? most : length, err);
}

static struct str kept_since(const struct sift *sift, size_t begin)
{
    return (struct str){ .at = sift->out ? sift->out + begin : NULL, .len = sift->len - begin };
}

/* What was kept of the fields of the innermost message. */
static struct str kept_fields(const struct sift *sift)
{
    const struct sift_level *level = &sift->levels[sift->depth];
    const bool prefixed = sift->depth > 0 && level->type == sift->rules->prefixed;

    return kept_since(sift, level->body + (prefixed ? sift->rules->prefix.len : 0));
}

static int enter(struct sift *sift, const ProtobufCFieldDescriptor *field, uint64_t length,
                 struct err *err)
{
    const struct ProtobufCMessageDescriptor *type = field->descriptor;
    const unsigned item = item_of(sift, field);
    int r;

    if (type == sift->rules->any)
        type = sift->rules->type_of(sift->rules->self, kept_fields(sift));
    if (!type || is_enough(sift, item)) {
        sift->gap = length;
        return 0;
    }
    if (!is_room(sift, KEY_SIZE + LENGTH_SIZE)) {
        sift->gap = length;
        return leave_out_unit(sift, err);
    }
    r = reserve(sift, KEY_SIZE + LENGTH_SIZE, err);
    if (r < 0)
        return r;
    assert(sift->depth + 1 < SIFT_DEPTH);
    sift->depth++;
    *top(sift) =
        (struct sift_level){ .type = type, .left = length, .begins = sift->len, .item = item };
    put_varint(sift, sift->key);
    sift->len += LENGTH_SIZE;
    top(sift)->body = sift->len;
    if (type == sift->rules->prefixed && length)
        sift->state = SIFT_AT_PREFIX;
    return 0;
}

/* The innermost message is over. */
static int leave(struct sift *sift, struct err *err)
{
    const struct sift_level *level = top(sift);
    const struct sift_rules *rules = sift->rules;
    int r = SIFT_KEEP;

    put_length(sift->out + level->body - LENGTH_SIZE, sift->len - level->body);
    if (rules->complete)
        r = rules->complete(rules->self, level->type, kept_since(sift, level->body), err);
    if (r < 0)
        return r;
    sift->depth--;
    if (r == SIFT_DROP)
        sift->len = level->begins;
    else
        count_item(sift, level->item);
    return 0;
}

/* --- input ------------------------------------------------------------------------------------ */

/* A key was read. */
static int begin_field(struct sift *sift, struct err *err)
{
    const enum wire_type type = (enum wire_type)(sift->number & 7);
    const uint64_t size = type == WIRE_FIXED64 ? 8 : 4;
    const ProtobufCFieldDescriptor *field;

    /* protobuf-c takes a field 0 for an unknown one. */
    if (sift->number > UINT32_MAX)
        return malformed(sift, err);
    sift->key = (uint32_t)sift->number;
    field = protobuf_c_message_descriptor_get_field(top(sift)->type, sift->key >> 3);
    sift->field = field;
    if (field && wire_type_of(field->type) != type)
        return malformed(sift, err);
    switch (type) {
    case WIRE_VARINT:
        sift->state = SIFT_AT_VALUE;
        return 0;
    case WIRE_BYTES:
        sift->state = SIFT_AT_LENGTH;
        return 0;
    case WIRE_FIXED64:
    case WIRE_FIXED32:
        if (size > top(sift)->left)
            return malformed(sift, err);
        top(sift)->left -= size;
        sift->gap = size;
        return field ? keep_bytes(sift, size, size, err) : 0;
    }
    return malformed(sift, err); /* groups: deprecated, and not used by Kubernetes */
}

/* The length of a text or message was read. */
static int begin_bytes(struct sift *sift, struct err *err)
{
    const ProtobufCFieldDescriptor *field = sift->field;
    const uint64_t length = sift->number;

    sift->state = SIFT_AT_KEY;
    if (length > top(sift)->left)
        return malformed(sift, err);
    top(sift)->left -= length;
    if (field && field->type == PROTOBUF_C_TYPE_MESSAGE)
        return enter(sift, field, length, err);
    if (field)
        return keep_text(sift, length, err);
    sift->gap = length;
    return 0;
}

static int take_varint(struct sift *sift, struct err *err)
{
    switch (sift->state) {
    case SIFT_AT_KEY:
        return begin_field(sift, err);
    case SIFT_AT_LENGTH:
        return begin_bytes(sift, err);
    default:
        sift->state = SIFT_AT_KEY;
        return sift->field ? keep_number(sift, err) : 0;
    }
}

static int feed_varint(struct sift *sift, struct str *bytes, struct err *err)
{
    int r;

    while (bytes->len) {
        const unsigned char byte = (unsigned char)bytes->at[0];

        if (top(sift)->left == 0)
            return malformed(sift, err);
        *bytes = str_skip(*bytes, 1);
        top(sift)->left--;
        sift->number |= (uint64_t)(byte & 0x7f) << (7 * sift->n);
        sift->varint[sift->n++] = byte;
        if (byte >= 0x80 && sift->n == VARINT_SIZE)
            return malformed(sift, err);
        if (byte >= 0x80)
            continue;
        r = take_varint(sift, err);
        sift->number = sift->n = 0;
        return r;
    }
    return 0;
}

/* What does not begin with the prefix is a text. */
static int end_prefix(struct sift *sift, struct err *err)
{
    const struct str prefix = sift->rules->prefix;
    struct sift_level *level = top(sift);
    uint64_t most = sift->rules->most_text;

    sift->state = SIFT_AT_KEY;
    sift->n = 0;
    if (str_eq(kept_since(sift, level->body), prefix))
        return 0;
    if (!most || most > level->left)
        most = level->left;
    if (!is_room(sift, most))
        return leave_out_unit(sift, err);
    sift->head = most;
    sift->gap = level->left - most;
    level->left = 0;
    return 0;
}

static int feed_prefix(struct sift *sift, struct str *bytes, struct err *err)
{
    struct sift_level *level = top(sift);
    uint64_t n = sift->rules->prefix.len - sift->n;
    int r;

    if (n > level->left)
        n = level->left;
    if (n > bytes->len)
        n = bytes->len;
    if (!is_room(sift, n))
        return leave_out_unit(sift, err);
    r = reserve(sift, n, err);
    if (r < 0)
        return r;
    put(sift, bytes->at, n);
    *bytes = str_skip(*bytes, n);
    level->left -= n;
    sift->n += (unsigned)n;
    return sift->n == sift->rules->prefix.len || level->left == 0 ? end_prefix(sift, err) : 0;
}

/* Copies or skips. */
static int feed_bytes(struct sift *sift, struct str *bytes, struct err *err)
{
    uint64_t *left = sift->head ? &sift->head : sift->gap ? &sift->gap : &sift->tail;
    const size_t n = *left < bytes->len ? (size_t)*left : bytes->len;
    int r;

    if (left != &sift->gap) {
        r = reserve(sift, n, err);
        if (r < 0)
            return r;
        put(sift, bytes->at, n);
    }
    *left -= n;
    *bytes = str_skip(*bytes, n);
    return 0;
}

static bool is_between_fields(const struct sift *sift)
{
    return sift->state == SIFT_AT_KEY && sift->n == 0 && !sift->head && !sift->gap && !sift->tail;
}

/* Leaves the messages that are over. */
static int leave_all(struct sift *sift, struct err *err)
{
    int r = 0;

    while (r == 0 && sift->depth > 0 && top(sift)->left == 0 && is_between_fields(sift))
        r = leave(sift, err);
    return r;
}

int sift_feed(struct sift *sift, struct str bytes, struct err *err)
{
    int r = 0;

    while (r == 0 && bytes.len) {
        if (sift->head || sift->gap || sift->tail)
            r = feed_bytes(sift, &bytes, err);
        else if (sift->state == SIFT_AT_PREFIX)
            r = feed_prefix(sift, &bytes, err);
        else
            r = feed_varint(sift, &bytes, err);
        if (r == 0)
            r = leave_all(sift, err);
    }
    return r;
}

void sift_init(struct sift *sift, const struct sift_rules *rules)
{
    *sift = (struct sift){ .rules = rules };
}

void sift_done(struct sift *sift)
{
    mem_free(sift->out);
    sift_init(sift, sift->rules);
}

void sift_begin(struct sift *sift, const struct ProtobufCMessageDescriptor *type)
{
    if (sift->size > KEEP_SIZE)
        sift_done(sift);
    *sift = (struct sift){
        .rules = sift->rules,
        .levels[0] = { .type = type, .left = UINT64_MAX },
        .head = type ? 0 : UINT64_MAX,
        .out = sift->out,
        .size = sift->size,
    };
}

int sift_end(struct sift *sift, struct str *ret, struct err *err)
{
    if (sift->levels[0].type && (sift->depth > 0 || !is_between_fields(sift)))
        return malformed(sift, err);
    *ret = kept_since(sift, 0);
    return 0;
}
