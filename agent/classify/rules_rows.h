/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Macros for the rows of the rules_*.c tables, and for nothing else. */

#include "agent/classify/rules.h"
#include "agent/classify/wrappers.h"

#define ROW(name, phrase, reason, rank, needs)                                                     \
    {                                                                                              \
        name, phrase, REASON_##reason, RANK_##rank, needs, false                                   \
    }

/* See struct finding. */
#define EITHER_WAY(name, phrase, reason, rank)                                                     \
    {                                                                                              \
        name, phrase, REASON_##reason, RANK_##rank, 0, true                                        \
    }

#define LOCAL(name, phrase, reason) ROW(name, phrase, reason, LOCAL, 0)
#define NODE(name, phrase, reason) ROW(name, phrase, reason, NODE, 0)
#define IMAGE(name, phrase, reason) ROW(name, phrase, reason, IMAGE, 0)
#define LIMIT(name, phrase) ROW(name, phrase, TOO_MANY_REQUESTS, LIMIT, 0)
#define DETAIL(name, phrase, reason) ROW(name, phrase, reason, DETAIL, 0)
#define CODE(name, phrase, reason) ROW(name, phrase, reason, CODE, 0)
#define GENERIC(name, phrase, reason) ROW(name, phrase, reason, GENERIC, 0)
#define ELSEWHERE(name, phrase) ROW(name, phrase, NOT_A_PULL, ELSEWHERE, 0)
#define ABORTED(name, phrase, reason) ROW(name, phrase, reason, ABORTED, 0)
#define HINT(name, phrase, reason) ROW(name, phrase, reason, HINT, 0)

/* Without rows for name servers and unix sockets: there is no TLS to them. */
#define TLS(name, phrase, reason)                                                                  \
    ROW(name "-proxy", phrase, PROXY_FAILED, TRANSPORT, W_PROXY),                                  \
        ROW(name, phrase, reason, TRANSPORT, 0)

/* TLS failed, for a reason that no other row knows. */
#define TLS_VAGUE(name, phrase) ROW(name, phrase, TLS_HANDSHAKE_FAILED, VAGUE, 0)

/*
 * The same error of the network has different reasons, depending on the peer: the runtime's socket,
 * a proxy, a name server, or the registry.
 */
#define TRANSPORT(name, phrase, reason)                                                            \
    ROW(name "-socket", phrase, RUNTIME_UNAVAILABLE, NODE, W_SOCKET),                              \
        ROW(name "-proxy", phrase, PROXY_FAILED, TRANSPORT, W_PROXY),                              \
        ROW(name "-dns", phrase, DNS_FAILURE, TRANSPORT, W_LOOKUP),                                \
        ROW(name, phrase, reason, TRANSPORT, 0)

/* An errno: a failure of the node, unless it happened during a DNS lookup. */
#define ERRNO(name, phrase, reason)                                                                \
    ROW(name "-dns", phrase, DNS_FAILURE, TRANSPORT, W_LOOKUP), ROW(name, phrase, reason, NODE, 0)
