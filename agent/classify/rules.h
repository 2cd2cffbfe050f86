/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * All wordings that decide: one table, in a file for each who may have failed. Where
 * several rows fit one attempt, the higher rank wins, and of one rank the later in the
 * text: Go writes the cause last. A row is a phrase, what it means, its rank, and what
 * must stand around it; next to it stands the component that says so.
 */

#include <stddef.h>
#include <stdint.h>

#include "agent/classify/message.h"
#include "causes.h"

/*
 * Ranks, weakest first. The order is what keeps the traps shut: a token server
 * that cannot be reached (TRANSPORT) explains "failed to authorize" (HINT), a
 * status (STATUS) a body full of other words (GENERIC), a quota (DETAIL) a 403.
 */
enum rank {
    RANK_HINT,      /* the wrappers alone, a gRPC code, words that come with every failure */
    RANK_ABORTED,   /* somebody gave up waiting: any other error is more telling */
    RANK_GENERIC,   /* "not found", "denied": right unless something says more */
    RANK_CODE,      /* a registry's error code or its usual sentence */
    RANK_STATUS,    /* the HTTP status (not in the table of phrases) */
    RANK_DETAIL,    /* a sentence that says more than status and code */
    RANK_LIMIT,     /* a quota of requests: a 429, or its words in any other error */
    RANK_VAGUE,     /* no answer came, in words that say no more than that */
    RANK_TRANSPORT, /* no answer came: TCP, TLS, DNS, proxy */
    RANK_IMAGE,     /* what came cannot be used */
    RANK_NODE,      /* the node failed while storing it */
    RANK_LOCAL,     /* the kubelet or the runtime refused before asking anybody */
};

struct rule {
    const char *name;   /* unique; shown by classify --explain and /debug/classify */
    const char *phrase; /* normalise_phrases.h */
    enum reason reason;
    enum rank rank;
    wrapper_set needs; /* all of these must stand in the attempt */
};

/* Rows with the same phrase stand together; the first whose needs are met counts. */
struct rule_table {
    const struct rule *rows;
    size_t n;
};
extern const struct rule_table rules_local;    /* nobody was asked */
extern const struct rule_table rules_node;     /* the node failed */
extern const struct rule_table rules_image;    /* what came cannot be used */
extern const struct rule_table rules_network;  /* no answer came */
extern const struct rule_table rules_registry; /* the registry answered */

extern const struct rule_table *const rule_tables[];
extern const size_t n_rule_tables;

/* A row by one number: the table's and its own in the table. */
#define RULE_TABLE_ROWS 512u

static inline uint16_t rule_number(size_t table, size_t row)
{
    return (uint16_t)(table * RULE_TABLE_ROWS + row);
}

static inline const struct rule *rule_at(uint16_t number)
{
    return &rule_tables[number / RULE_TABLE_ROWS]->rows[number % RULE_TABLE_ROWS];
}

/* The first row of those that share the phrase of the row `number` whose needs are all in `has`,
 * from that row on; NULL: none. */
const struct rule *rule_for(uint16_t number, wrapper_set has);

/* By HTTP status: the first row whose range and needs fit. */
struct status_rule {
    const char *name;
    uint16_t first, last;
    enum reason reason;
    wrapper_set needs;
};
extern const struct status_rule status_rules[];
extern const size_t n_status_rules;

/* By what is left when no wording is known: the first row that fits; grpc_code -1: any. */
struct fallback_rule {
    const char *name;
    int grpc_code;
    wrapper_set needs;
    enum reason reason;
};
extern const struct fallback_rule fallback_rules[];
extern const size_t n_fallback_rules;
