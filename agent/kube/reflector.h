/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Keeps the sink up to date with one resource: decides what to request next and when, and handles
 * the answer. Knows no transport and no clock, so that a test is a list of answers at chosen times.
 * One thread at a time.
 *
 *   WAITING --due--> ASKED --200--> OPEN -----.
 *      ^               |--other--> REFUSED ---|
 *      '---------------'----------------------'   reflector_ended(): exactly once per request
 *
 * The mode is what it requests:
 *
 *   STREAM  a watch that begins with the list and goes on as a watch: one request, little memory.
 *           Servers without this feature refuse it (4xx) or never end the list: then LIST, for 1 h.
 *   LIST    from the server's cache, not older than what was read before; after a 410, or if the
 *           cache is older than that, or the list is too large, in pages from etcd. Then WATCH.
 *   WATCH   from the resourceVersion where the last one ended.
 *   POLL    the kubelet's list, again and again (kubelet.h).
 *
 * What can go wrong, and what follows:
 *
 *   the server ends a watch at the agreed time        WATCH at once; not a failure
 *   a working watch ends sooner                       WATCH after 1 s; counted, not a failure
 *   410, as a status or as an event                   a new list; counted
 *   malformed data, or an event over the limit        LIST after the back-off
 *   a list over LIMIT_LIST_BODY                       LIST in pages; after such a page: smaller
 * ones any failure of a list                             waits at least 1 s for each MiB of it
 *   silence: no answer, no bookmarks, no end          the same request after the back-off
 *   another HTTP status                               likewise, or after Retry-After
 *   too many events (event_budget.h)                  a rest, then WATCH from the version of then
 */

#include <stdbool.h>
#include <stdint.h>

#include "agent/kube/event_budget.h"
#include "agent/kube/http/target.h"
#include "agent/kube/intake.h"
#include "agent/kube/list.h"
#include "agent/kube/watch.h"
#include "backoff.h"
#include "buf.h"
#include "clock.h"
#include "err.h"
#include "health.h"
#include "sink.h"

struct reflector_config {
    enum kube_resource resource;
    bool from_kubelet; /* pods: poll the kubelet instead of a list and a watch of the API server */
    const char *node_name;
    const char *namespace;       /* events: of this namespace; pods: NULL */
    struct event_budget *budget; /* events: of this namespace; NULL: no limit */
    const struct sink *sink;
    struct health *health; /* shared by the streams of one source */
    uint64_t seed;         /* for the jitter */
};

enum reflector_state {
    REFLECTOR_WAITING,
    REFLECTOR_ASKED,
    REFLECTOR_OPEN,
    REFLECTOR_REFUSED,
    REFLECTOR_STATE_MAX,
};

enum reflector_mode { REFLECTOR_STREAM, REFLECTOR_LIST, REFLECTOR_WATCH, REFLECTOR_POLL };

/* How the transport of a request ended. */
struct transfer_end {
    bool complete;          /* the whole answer was received */
    bool by_peer;           /* incomplete: the other side closed the connection (otherwise: no
                               connection, TLS, a timeout) */
    const char *text;       /* incomplete: the reason; not NULL */
    int64_t retry_after_us; /* 0: no such header */
};

/* A change for the log. */
struct reflector_change {
    enum {
        CHANGE_NONE,
        CHANGE_RETRY,     /* another failure of the same kind, or not a failure: for debugging */
        CHANGE_FAILED,    /* the first failure, or one of another kind */
        CHANGE_RECOVERED, /* it works again */
        CHANGE_RESTS,     /* too many events */
    } kind;
    const char *doing;     /* "list" or "watch" */
    char text[512];        /* what happened; not of CHANGE_RECOVERED */
    int64_t retry_in_us;   /* of CHANGE_FAILED and CHANGE_RETRY */
    unsigned failures;     /* of CHANGE_RECOVERED */
    int64_t failed_for_us; /* of CHANGE_RECOVERED */
};

struct reflector {
    struct reflector_config config;
    struct intake intake;
    struct watch watch;
    struct list reading; /* the list that is being received */
    struct buf body;     /* received part of an error's body */
    struct backoff backoff;
    struct jitter jitter;

    enum reflector_state state;
    enum reflector_mode mode;
    enum target_list list;
    struct buf continue_token; /* token of the list's next page; empty for the first page */
    unsigned pages;            /* pages of the list that were read so far */
    unsigned page_items;       /* items of a page; fewer after a page that was too large */
    bool lists_are_too_large;  /* in one page: ask for pages from the start, for 1 h */
    int64_t too_large_us;      /* mono: since when */
    char seen_version[LIMIT_RESOURCE_VERSION]; /* no list may be older; "": any version */
    bool streaming;                            /* try STREAM */
    int64_t streaming_off_us;                  /* mono: when STREAM was found not to work */
    int64_t pause_us;                          /* POLL: see kubelet_next_pause_us() */

    /* All mono. */
    int64_t next_us;     /* WAITING: when to ask */
    int64_t asked_us;    /* ASKED and later: when the request was made */
    int64_t opened_us;   /* OPEN: when the answer began */
    int64_t received_us; /* OPEN: when bytes last arrived */
    int64_t planned_us;  /* OPEN, a watch: when the server should end it */

    int status;                 /* HTTP status of the answer; 0: no answer yet */
    bool watching;              /* counted in health.watches_open */
    bool settled;               /* this request has shown that it works */
    bool no_streaming;          /* this request has shown that STREAM does not work */
    struct err err;             /* the error of this request */
    enum reconnect why;         /* the kind of `err` */
    bool failing;               /* see health.h */
    unsigned failures;          /* in a row */
    unsigned timeouts;          /* requests given up for silence since one worked */
    int64_t failing_since_us;   /* mono */
    enum reconnect failing_why; /* of the last CHANGE_FAILED */
    int failing_status;         /* of the last CHANGE_FAILED */
    struct reflector_change change;
};

/* Everything in `config` must outlive the reflector. The first request is due at `now`. */
void reflector_init(struct reflector *reflector, const struct reflector_config *config,
                    struct instant now);

/* Removes its part from the health. The caller cancels the open request. */
void reflector_done(struct reflector *reflector, struct instant now);

/* When to call reflector_due() (no request is open) or reflector_late(), at the latest (mono). */
int64_t reflector_deadline_us(const struct reflector *reflector);

/*
 * Whether two requests in a row were given up because nothing came, although connections could be
 * made: then the fault may be in our client. True once for each two.
 */
bool reflector_take_stuck(struct reflector *reflector);

/* Whether to make a request now: reflector_ask(). */
bool reflector_due(const struct reflector *reflector, struct instant now);

/*
 * Appends path and query to `target`. The caller makes the request and then calls
 * reflector_answered() at most once, reflector_received() any number of times, and
 * reflector_ended() once.
 */
void reflector_ask(struct reflector *reflector, struct instant now, struct buf *target);

/* Whether the next request is a watch, which may stay open for minutes. */
bool reflector_asks_watch(const struct reflector *reflector);

/* The head of the answer. `content_type` may be NULL. */
void reflector_answered(struct reflector *reflector, struct instant now, int status,
                        const char *content_type);

/* A part of the body. A negative errno: cancel the request, then call reflector_ended(). */
int reflector_received(struct reflector *reflector, struct instant now, struct str bytes);

/* Checks the deadlines. True: cancel the request, then call reflector_ended(). */
bool reflector_late(struct reflector *reflector, struct instant now);

/* The request is over, for any reason. */
void reflector_ended(struct reflector *reflector, struct instant now,
                     const struct transfer_end *end);

/* The server answers again, as another reflector has seen: do not wait for the end of the back-off
 * after a failed connection. */
void reflector_wake(struct reflector *reflector, struct instant now);

/* Takes the change for the log, if there is one. */
bool reflector_take_change(struct reflector *reflector, struct reflector_change *ret);
