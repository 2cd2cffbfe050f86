/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From a text of the kubelet or the runtime to a verdict, in two pure steps:
 *
 *   normalise(text)    -> struct message   wrappers removed, names and numbers taken out
 *   classify(message)  -> struct verdict   cause, reason, stage
 *
 * Both allocate nothing, keep nothing between calls, and may be called from any thread. The text is
 * hostile input: the time is linear in its length, whatever it holds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "causes.h"
#include "limit.h"
#include "str.h"

/* One message can hold several errors: the kubelet joins one per credential, CRI-O adds its
 * mirrors and its try as an OCI artifact. If there are more parts than this, the first ones and the
 * last one are kept. */
#define MESSAGE_PARTS_MAX 8u

/* Phrases of rules that are kept; later phrases are ignored. */
#define MESSAGE_HITS_MAX 64u

/* The wrappers in front of one error: one bit (W_*) for each kind, see agent/classify/wrappers.h.
 */
typedef uint32_t wrapper_set;

/* A phrase of a rule, found in the message. */
struct hit {
    uint16_t rule;  /* number of the rule in agent/classify/rules.h */
    bool in_answer; /* after the HTTP status: part of the registry's answer */
    bool in_page;   /* in an HTML or XML page */
};

/* The hosts that an error names; party.h tells which of them failed. */
struct hosts {
    struct str url;       /* the last one that was requested */
    struct str place;     /* the registry that was asked, as a host or a name that begins with it */
    struct str looked_up; /* in DNS ... */
    struct str name_server; /* ... on this server */
    struct str dialled;     /* an address */
};

/* One of the errors in a message. */
struct message_part {
    struct str terminal; /* the error text after the last wrapper */
    wrapper_set wrappers;
    int grpc_code;   /* 5 for `code = NotFound`; -1 without one */
    int http_status; /* 401 for `401 Unauthorized`; 0 without one */
    uint16_t first_hit;
    uint16_t n_hits; /* message.hits[first_hit ...], in the order of the text */
    struct hosts hosts;
    struct str file; /* the runtime's configuration that failed; empty: none */
};

/*
 * A normalised message. Large, because it holds its own copy of the text: keep it on the caller's
 * stack. Do not copy it: each `str` but `waiting_reason` points into `buffer`.
 */
struct message {
    struct str image; /* the image that the message names; may be empty */
    struct str text;  /* for people: unescaped, without secrets, valid UTF-8, at most
                         LIMIT_MESSAGE_TEXT bytes */
    bool back_off;    /* contains "Back-off pulling image", "ImagePullBackOff" or the like */
    bool pull;        /* contains "Failed to pull image" or the like */
    bool truncated;   /* was longer than LIMIT_CLASSIFY_TEXT: the middle is missing */
    size_t n_parts;   /* 0: wrappers only, for example a back-off without a cause */
    struct message_part parts[MESSAGE_PARTS_MAX];
    size_t n_hits;
    struct hit hits[MESSAGE_HITS_MAX];
    struct str waiting_reason; /* the argument of normalise(); the caller's memory */
    char buffer[LIMIT_CLASSIFY_TEXT + LIMIT_MESSAGE_TEXT];
};

struct verdict {
    enum cause cause;
    enum reason reason;
    enum stage stage;        /* STAGE_MAX: not known */
    int http_status;         /* 0: none */
    bool sent_unknown;       /* the registry refused, and its words are the same with and without a
                                login; the pod's pull Secrets decide */
    uint32_t ambiguous_with; /* bit (1 << enum cause) for each other cause that fits the text */
    int part;                /* message.parts[...] that decided; -1: none */
    const char *rule;        /* the name of the rule that decided; static, never NULL */
};

/*
 * `waiting_reason` is the container's waiting reason or the event's reason ("ErrImagePull",
 * "InvalidImageName", ...). It may be empty, as for the `classify` command. It decides only where
 * the text names no cause (ErrImageNeverPull), and never overrules a text that does.
 */
void normalise(struct str waiting_reason, struct str text, struct message *ret);

struct verdict classify(const struct message *message);

/*
 * For the message of a container or sandbox that could not be created or started, and its verdict:
 * whether it is about an image. Most are not, although some of their words are those of a pull. A
 * virtual machine may pull the image itself; an image can be gone again after its pull. Corrects
 * the verdict of an image that the runtime does not find.
 */
bool classify_create_error(const struct message *message, struct verdict *verdict);

/* What the advice depends on besides the reason. Unknown texts are empty. */
struct advice_facts {
    struct str registry;
    struct str failed_host;
    enum role failed_role; /* ROLE_REGISTRY if it is not known */
    struct str file;       /* of the runtime's configuration */
};

struct buf;

/* The maximum for a buffer that advice_write() fills: longer than any sentence with the longest
 * names. */
#define ADVICE_MAX 4096u

/* Appends a text in which "%r" stands for the registry; empty: "the registry". */
void advice_add(struct buf *out, const char *sentence, struct str registry);

/* Appends one sentence that tells an operator what to do. */
void advice_write(struct buf *out, const struct verdict *verdict, const struct advice_facts *facts);
