/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A container runtime that says what a test wants: gRPC core's server side on a
 * unix socket, with a thread of its own. And plain sockets that speak no gRPC at all.
 */

#include <stdbool.h>
#include <stddef.h>

#include "str.h"
#include "util.h"

/*
 * A deadline that no test reaches, however slow the machine is. It is also the timeout of the calls
 * of cri/ in programs that are linked with this double (cri/timeouts.h).
 */
#define NEVER_REACHED (120 * SEC)

struct cri_double;

/* How a method is answered; copied when set, but for what it points to. */
struct double_answer {
    int status;          /* gRPC's number; 0 is OK */
    const char *details; /* the status message; NULL: "" */
    struct str message;  /* with status OK; must live as long as the double uses it */
    bool hangs;          /* no status until the caller gives up; no message either, but for these */
    bool no_message;     /* OK, and nothing else */

    /* A stream instead: these messages come before the status, whatever it is. */
    const struct str *messages;
    size_t n_messages;
    bool endless; /* ... again and again, until the caller gives up */
};

/* Listens on `path` when it returns; ends the program where it cannot. */
struct cri_double *double_new(const char *path);

/* Breaks all connections and removes the socket file. NULL is fine. */
void double_free(struct cri_double *runtime);

/*
 * How `method` ("Version", without its service) is answered from now on. Methods
 * that were never set are answered Unimplemented, as gRPC servers do.
 */
void double_set(struct cri_double *runtime, const char *method, const struct double_answer *answer);

/* OK with `message`. */
void double_answers(struct cri_double *runtime, const char *method, struct str message);

/* How often `method` was called. */
unsigned double_calls(struct cri_double *runtime, const char *method);

/* How often any method was called that was never set. */
unsigned double_unknown_calls(struct cri_double *runtime);

/* The request of the last call of any method; lives until the next call. */
struct str double_last_request(struct cri_double *runtime);

/* The value of the metadata `key` of the last call, or "" where it had none. */
struct str double_last_metadata(struct cri_double *runtime);

/* Called on the double's thread for every call, before it is answered. */
void double_on_call(struct cri_double *runtime, void (*hook)(void *arg), void *arg);

/* A unix socket that does not answer as a gRPC server should. */
enum rude_manner {
    RUDE_SILENT, /* accepts and sends nothing */
    RUDE_CLOSES, /* accepts and closes at once */
    RUDE_HTTP1,  /* answers like a web server */
    RUDE_HALF,   /* begins HTTP/2 and closes in the middle of a frame */
    RUDE_REPLY,  /* a gRPC server that closes in the middle of its first reply's message */
    RUDE_LATE,   /* begins HTTP/2 if the client has not closed within 10 s, and waits 3 s more */
};

struct rude_socket;

struct rude_socket *rude_new(const char *path, enum rude_manner manner);
void rude_free(struct rude_socket *rude);

/* For RUDE_LATE: waits for the first client, and until each client has closed or has stayed too
 * long. Returns how many stayed. */
size_t rude_clients_stayed(struct rude_socket *rude);
