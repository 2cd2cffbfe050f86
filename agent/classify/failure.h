/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From a message to a verdict, in two pure steps without any allocation:
 *
 *   normalise(message) -> struct failure   wrappers peeled, values lifted out
 *   classify(failure)  -> struct verdict   cause, reason, stage
 *
 * Any thread may call; nothing is kept between calls. Both are linear in the
 * length of the message, whatever it holds: it is hostile input.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "causes.h"
#include "limits.h"
#include "str.h"

/* One message can hold several errors: the kubelet joins one per credential, CRI-O adds its mirrors
 * and the artifact try. More than this many: the first and the last ones are kept. */
#define FAILURE_ATTEMPTS_MAX 8u

/* What stood in front of a terminal error, one bit each; defined in agent/classify/wrappers.h. */
typedef uint32_t wrapper_set;

/* Known phrases in one message; more than this many: later ones are not looked at. */
#define FAILURE_HITS_MAX 64u

/* A phrase of the rules that stands in the message. */
struct hit {
    uint16_t rule;  /* its number in agent/classify/rules.h */
    bool in_answer; /* behind the HTTP status: in what the registry answered */
    bool in_page;   /* in an HTML or XML page */
};

/* One try to get the image, and the error that ended it. */
struct attempt {
    struct str terminal; /* the error text behind the last wrapper */
    wrapper_set wrappers;
    int grpc_code;   /* as in `code = NotFound` (5); -1 where none was said */
    int http_status; /* as in `401 Unauthorized`; 0 where none was said */
    uint16_t first_hit;
    uint16_t n_hits; /* failure.hits[first_hit ...], in the order of the text */
};

/*
 * A message, normalised. Big (it holds its own copy of the text): keep it on
 * the stack of the caller, do not store or copy it. The `str`s point into `text`.
 */
struct failure {
    struct str image;   /* the image the message names; empty where it names none */
    struct str message; /* the message for people: unescaped, secrets redacted, valid UTF-8, at most
                           LIMIT_MESSAGE_TEXT bytes */
    bool back_off;      /* it says "Back-off pulling image", "ImagePullBackOff" or the like */
    bool pull;          /* it says that a pull failed */
    bool truncated;     /* longer than LIMIT_CLASSIFY_TEXT: the middle is missing */
    size_t n_attempts;  /* 0: nothing behind the wrappers (a back-off without cause) */
    struct attempt attempts[FAILURE_ATTEMPTS_MAX];
    size_t n_hits;
    struct hit hits[FAILURE_HITS_MAX];
    struct str waiting_reason; /* as given to normalise() */
    char text[LIMIT_CLASSIFY_TEXT + LIMIT_MESSAGE_TEXT];
};

struct verdict {
    enum cause cause;
    enum reason reason;
    enum stage stage;  /* STAGE_MAX: not known */
    int http_status;   /* 0: none */
    bool sent_unknown; /* a 401 that reads alike with and without credentials; pull Secrets tell */
    uint32_t ambiguous_with; /* bit (1 << enum cause) for each other cause the text allows */
    const char *rule;        /* the name of the rule that decided; static, never NULL */
};

/*
 * `waiting_reason` is the container's waiting reason or the event's reason that
 * came with the message ("ErrImagePull", "InvalidImageName", ...), or empty:
 * messages of classify's own input have none. It may decide where the message
 * is silent (ErrImageNeverPull), and never overrules a message that speaks.
 */
void normalise(struct str waiting_reason, struct str message, struct failure *ret);

struct verdict classify(const struct failure *failure);

/* What advice depends on beside the reason. Empty strings where unknown. */
struct advice_facts {
    struct str registry;
    struct str missing_secret; /* a pull Secret that does not exist */
    bool pull_secrets_known;   /* the pod's spec has been seen ... */
    size_t n_pull_secrets;     /* ... and names this many imagePullSecrets */
};

struct buf;

/* Appends one sentence that an operator can act on. */
void advice_write(struct buf *out, const struct verdict *verdict, const struct advice_facts *facts);
