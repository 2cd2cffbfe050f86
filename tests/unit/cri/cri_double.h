/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A container runtime whose answers a test sets: a server of gRPC core on a unix
 * socket, with a thread of its own. And sockets that do not speak gRPC.
 */

#include <stdbool.h>
#include <stddef.h>

#include "str.h"
#include "util.h"

/*
 * A deadline that no test reaches, however slow the machine is. It is also the timeout of the calls
 * of cri/ in programs that are linked with this double (cri/timeouts.h).
 */
#define NEVER_REACHED (20 * MINUTE)

struct cri_double;

/* How a method is answered. double_set() copies it, but not what it points to. */
struct double_answer {
    int status;          /* gRPC's number; 0 is OK */
    const char *details; /* the status message; NULL: "" */
    struct str message;  /* sent if the status is OK; must live as long as the double uses it */
    bool hangs;          /* sends no status, and no message except those of a stream */
    bool no_message;     /* OK without a message */

    /* A stream: sends these messages, then the status. */
    const struct str *messages;
    size_t n_messages;
    bool endless; /* sends the messages again and again until the caller cancels */
};

/* Listens on `path` when it returns. Ends the program if it cannot. */
struct cri_double *double_new(const char *path);

/* Closes all connections and removes the socket file. Accepts NULL. */
void double_free(struct cri_double *runtime);

/*
 * Sets the answer to `method` ("Version", without its service). A method that was
 * never set is answered with Unimplemented, as by any gRPC server.
 */
void double_set(struct cri_double *runtime, const char *method, const struct double_answer *answer);

/* Sets the answer to OK with `message`. */
void double_answers(struct cri_double *runtime, const char *method, struct str message);

/* How many calls of `method` there were. */
unsigned double_calls(struct cri_double *runtime, const char *method);

/* The number of calls of methods that were never set. */
unsigned double_unknown_calls(struct cri_double *runtime);

/* The request of the last call of any method. Valid until the next call. */
struct str double_last_request(struct cri_double *runtime);

/* The value of "containerd-namespace" in the metadata of the last call; "" if it is missing. */
struct str double_last_metadata(struct cri_double *runtime);

/* `hook` runs on the double's thread for every call, before the answer. */
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
