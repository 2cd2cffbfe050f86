/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Keeps the sink true to one resource of the API server: what to ask next, when, and what to make
 * of the answer. Knows no transport and no clock, so that a test is a list of answers at chosen
 * times. One thread at a time.
 *
 *   WAITING --due--> ASKED --200--> OPEN -----.
 *      ^               |--other--> REFUSED ---|
 *      '---------------'----------------------'   reflector_ended(): exactly once per request
 *
 * What is asked (the mode):
 *
 *   STREAM  a watch that begins with the list; goes on as a watch. One request, one page of memory.
 *           Servers that do not know it refuse (4xx) or never end the list: then LIST, for an hour.
 *   LIST    from the server's cache, not older than what was seen before; after a 410, or where
 *           the server has not got so far, paged and from etcd. Then WATCH.
 *   WATCH   from where the last one ended.
 *
 * How it goes wrong, and what then:
 *
 *   the server ends a watch at the time that was agreed   WATCH at once; nobody is told
 *   a watch that worked ends sooner                       WATCH after a second; counted, no failure
 *   410, as a status or as an event                       list anew; counted
 *   nonsense, or an event over the limit                  LIST anew after the back-off
 *   silence: no answer, no bookmarks                      the same again after the back-off
 *   refused                                               likewise, or when Retry-After says
 */

#include <stdbool.h>
#include <stdint.h>

#include "agent/kube/http/target.h"
#include "agent/kube/intake.h"
#include "agent/kube/watch.h"
#include "backoff.h"
#include "buf.h"
#include "clock.h"
#include "err.h"
#include "health.h"
#include "sink.h"

struct reflector_config {
    enum kube_resource resource;
    const char *node_name;
    const char *namespace; /* of events; NULL for pods */
    const struct sink *sink;
    struct health *health; /* shared by the streams of one source */
    uint64_t seed;         /* of this stream's jitter */
};

enum reflector_state {
    REFLECTOR_WAITING,
    REFLECTOR_ASKED,
    REFLECTOR_OPEN,
    REFLECTOR_REFUSED,
    REFLECTOR_STATE_MAX,
};

enum reflector_mode { REFLECTOR_STREAM, REFLECTOR_LIST, REFLECTOR_WATCH };

/* How the transport's part ended. */
struct transfer_end {
    bool complete;          /* the answer's regular end was reached */
    bool by_peer;           /* not complete: the other side broke it off (else: never connected,
                               TLS, a timeout) */
    const char *text;       /* not complete: why; not NULL */
    int64_t retry_after_us; /* 0: the answer had no such header */
};

/* Something worth a log line. */
struct reflector_news {
    enum { NEWS_NOTHING, NEWS_DETAIL, NEWS_FAILED, NEWS_RECOVERED } kind;
    const char *doing;     /* "list" or "watch" */
    char text[512];        /* why; of NEWS_FAILED and NEWS_DETAIL */
    int64_t retry_in_us;   /* likewise */
    unsigned failures;     /* of NEWS_RECOVERED */
    int64_t failed_for_us; /* likewise */
};

struct reflector {
    struct reflector_config config;
    struct intake intake;
    struct watch watch;
    struct buf body; /* of a list or a refusal, as far as it has come */
    struct backoff backoff;
    struct jitter jitter;

    enum reflector_state state;
    enum reflector_mode mode;
    enum target_list list;
    struct buf continue_token;                /* of the list's next page; empty for the first */
    char seen_version[RESOURCE_VERSION_SIZE]; /* no list out of a cache may be older; "": any */
    bool streaming;                           /* worth a try */
    int64_t streaming_off_us;                 /* mono: when it was found not to be */

    /* All mono. */
    int64_t next_us;    /* WAITING: when to ask */
    int64_t asked_us;   /* ASKED and later: when that was */
    int64_t opened_us;  /* OPEN: when the answer began */
    int64_t heard_us;   /* OPEN: when something last came */
    int64_t planned_us; /* OPEN, a watch: when the server is to end it */

    int status;                 /* of the answer */
    bool watching;              /* counted in the report */
    bool settled;               /* this stream has shown that it works */
    bool no_streaming;          /* this stream has shown that the server cannot do it */
    struct err err;             /* what was wrong with this request so far */
    enum reconnect why;         /* of `err` */
    bool failing;               /* as in the health */
    unsigned failures;          /* in a row */
    int64_t failing_since_us;   /* mono */
    enum reconnect failing_why; /* what was last said about it */
    int failing_status;
    struct reflector_news news;
};

/* Everything in `config` must outlive the reflector. The first request is due at `now`. */
void reflector_init(struct reflector *reflector, const struct reflector_config *config,
                    struct instant now);

/* Also forgets its part in the report. A request that is under way is no more its concern. */
void reflector_done(struct reflector *reflector, struct instant now);

/* Mono: when to call reflector_due() (no request is under way) or reflector_late() at the latest.
 */
int64_t reflector_deadline_us(const struct reflector *reflector);

/* A request should be made now; reflector_ask() tells which. */
bool reflector_due(const struct reflector *reflector, struct instant now);

/* Appends path and query to `target`. The caller makes the request and then calls, in this order,
 * reflector_answered() once or not, reflector_received() any number of times, reflector_ended(). */
void reflector_ask(struct reflector *reflector, struct instant now, struct buf *target);

/* Whether the next request is for a watch, which may last for minutes, or for a list. */
bool reflector_asks_watch(const struct reflector *reflector);

/* The answer's head. `content_type` may be NULL. */
void reflector_answered(struct reflector *reflector, struct instant now, int status,
                        const char *content_type);

/* Part of the answer's body. A negative errno: break the transfer off, then reflector_ended(). */
int reflector_received(struct reflector *reflector, struct instant now, struct str bytes);

/* Time has passed. Returns true when the request took too long: break it off, then
 * reflector_ended(). */
bool reflector_late(struct reflector *reflector, struct instant now);

/* The request is over, whichever way. */
void reflector_ended(struct reflector *reflector, struct instant now,
                     const struct transfer_end *end);

/* Takes what there is to tell; at most one piece. */
bool reflector_take_news(struct reflector *reflector, struct reflector_news *ret);
