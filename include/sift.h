/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Drops what nobody reads of a protobuf message, while the message arrives. protobuf-c keeps each
 * unknown field, and needs 40 to 90 bytes for one of two bytes; so a message with many of them
 * needs 40 times its size. What comes out here is the same message with only those fields that its
 * descriptor has, which are those of our .proto files. It is complete: protobuf-c or wire.h read
 * it.
 *
 * The memory is that of what is kept, whatever arrives: there is no copy of the whole message. One
 * thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

struct ProtobufCMessageDescriptor; /* <protobuf-c/protobuf-c.h> */
struct ProtobufCFieldDescriptor;

/* Messages in each other, and fields of one message. Checked by an assertion: they are those of our
 * own .proto files. */
#define SIFT_DEPTH 12
#define SIFT_FIELDS 16

enum sift_verdict { SIFT_KEEP, SIFT_DROP };

/* What else to drop. Each member may be 0. */
struct sift_rules {
    void *self;
    const char *what;  /* for errors: "a list" */
    size_t most_items; /* of each repeated field; further ones are dropped */
    size_t most_text;  /* bytes of each text; the middle of a longer one is left out */
    size_t most_kept;  /* bytes of what is kept at a time; over it: see `unit` */

    /* A message of this type that does not fit is left out as a whole, and counted in left_out.
     * Without it, a message that does not fit is an error. Errors name it. */
    const struct ProtobufCMessageDescriptor *unit;

    /* A message of type `prefixed` begins with the bytes `prefix`. If it does not, it is kept as a
     * text. */
    const struct ProtobufCMessageDescriptor *prefixed;
    struct str prefix;

    /* A message of type `any`: which type it really has. `before`: what was kept of the message
     * around it. NULL: drop it. */
    const struct ProtobufCMessageDescriptor *any;
    const struct ProtobufCMessageDescriptor *(*type_of)(void *self, struct str before);

    /* A message in another one is complete. `kept`: what was kept of it; it lives until this
     * returns. Returns a verdict, or a negative errno with `err` set, which ends all. */
    int (*complete)(void *self, const struct ProtobufCMessageDescriptor *type, struct str kept,
                    struct err *err);
};

struct sift_level {
    const struct ProtobufCMessageDescriptor *type;
    uint64_t left; /* bytes that have not arrived, without those of the messages in it */
    size_t begins; /* where its key begins in `out` */
    size_t body;   /* where it begins, behind its length */
    unsigned
        item; /* it is an item of this repeated field of the level above; SIFT_FIELDS: of none */
    unsigned items[SIFT_FIELDS]; /* kept of each repeated field */
};

struct sift {
    const struct sift_rules *rules;
    struct sift_level levels[SIFT_DEPTH]; /* [0]: the whole message, whose length is not known */
    unsigned depth;
    enum { SIFT_AT_KEY, SIFT_AT_VALUE, SIFT_AT_LENGTH, SIFT_AT_PREFIX } state;
    uint64_t number;          /* the varint that is being read */
    unsigned char varint[10]; /* its bytes */
    unsigned n;               /* bytes of it, or of the prefix, that were read */
    const struct ProtobufCFieldDescriptor *field; /* the present one; NULL: nobody reads it */
    uint32_t key;                                 /* of the present field */
    uint64_t head, gap, tail; /* bytes to copy, to skip, and to copy, before the next key */
    unsigned left_out;        /* units, since sift_begin() */
    char *out;
    size_t len, size;
};

/* `rules` must outlive it. */
void sift_init(struct sift *sift, const struct sift_rules *rules);
void sift_done(struct sift *sift);

/* A new message of `type` begins. NULL: all of it is kept. */
void sift_begin(struct sift *sift, const struct ProtobufCMessageDescriptor *type);

/*
 * The next bytes of the message. Returns 0, -EPROTO (not a protobuf message), -ENOMEM, -EMSGSIZE
 * (over most_kept, and no unit that could be left out), or what rules->complete() returned. After
 * an error the rest of the message cannot be read.
 */
int sift_feed(struct sift *sift, struct str bytes, struct err *err);

/* The message is over. Returns 0 and what was kept, which lives until the next call; or -EPROTO:
 * it was cut. */
int sift_end(struct sift *sift, struct str *ret, struct err *err);
