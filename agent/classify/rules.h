/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The table of rules, with one file for each possible culprit. If several rows fit one part, the
 * higher rank wins; of equal ranks, the later in the text: Go writes the cause last. A row is a
 * phrase, the reason that it means, its rank, and the wrappers that must be in front of it. A
 * comment names the component that writes the phrase.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/classify/message.h"
#include "causes.h"

/*
 * Ranks, lowest first. Examples of why the order matters: a token server that cannot be reached
 * (TRANSPORT) is the cause of "failed to authorize" (HINT); a status (STATUS) counts more than the
 * words of its body (GENERIC); a used-up quota (DETAIL) is the cause of a 403.
 */
enum rank {
    RANK_HINT,      /* only wrappers, a gRPC code, or words that come with every failure */
    RANK_ABORTED,   /* something was cancelled; any other error is more specific */
    RANK_GENERIC,   /* "not found", "denied": right unless something is more specific */
    RANK_CODE,      /* an error code of a registry, or its usual sentence */
    RANK_STATUS,    /* the HTTP status (see status_rules) */
    RANK_DETAIL,    /* a sentence that is more specific than status and code */
    RANK_LIMIT,     /* too many requests: a 429, or its words in another error */
    RANK_VAGUE,     /* no answer; the reason is not given */
    RANK_TRANSPORT, /* no answer, because of TCP, TLS, DNS or a proxy */
    RANK_IMAGE,     /* the image cannot be used */
    RANK_NODE,      /* the node failed while it stored the image */
    RANK_ELSEWHERE, /* the message is about something else; only in a text without a pull */
    RANK_LOCAL,     /* the kubelet or the runtime refused without a request */
};

struct rule {
    const char *name;   /* unique; shown by classify --explain and /debug/classify */
    const char *phrase; /* normalise_phrases.h */
    enum reason reason;
    enum rank rank;
    wrapper_set needs; /* the part must have all of these wrappers */
    bool either_way;   /* the same words with and without a login */
};

/* Rows with the same phrase are adjacent. The first row whose needs are met counts. */
struct rule_table {
    const struct rule *rows;
    size_t n;
};
extern const struct rule_table rules_local;     /* no request was sent */
extern const struct rule_table rules_node;      /* the node failed */
extern const struct rule_table rules_image;     /* the image cannot be used */
extern const struct rule_table rules_network;   /* no answer */
extern const struct rule_table rules_registry;  /* the registry answered */
extern const struct rule_table rules_elsewhere; /* not about an image pull */

extern const struct rule_table *const rule_tables[];
extern const size_t n_rule_tables;

/* A row has one number, made from the number of its table and its own number. */
#define RULE_TABLE_ROWS 512u

static inline uint16_t rule_number(size_t table, size_t row)
{
    return (uint16_t)(table * RULE_TABLE_ROWS + row);
}

static inline const struct rule *rule_at(uint16_t number)
{
    return &rule_tables[number / RULE_TABLE_ROWS]->rows[number % RULE_TABLE_ROWS];
}

/* The first row with the phrase of row `number`, from that row on, whose needs are all in `has`;
 * NULL: none. */
const struct rule *rule_for(uint16_t number, wrapper_set has);

/* Rules by HTTP status: the first row whose range and needs fit. */
struct status_rule {
    const char *name;
    uint16_t first, last;
    enum reason reason;
    wrapper_set needs;
};
extern const struct status_rule status_rules[];
extern const size_t n_status_rules;

/* Rules for parts without a known phrase: the first row that fits. grpc_code -1: any. */
struct fallback_rule {
    const char *name;
    int grpc_code;
    wrapper_set needs;
    enum reason reason;
};
extern const struct fallback_rule fallback_rules[];
extern const size_t n_fallback_rules;
