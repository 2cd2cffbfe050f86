/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Checks passwords against bcrypt hashes. A check takes a tenth of a second on purpose, so it never
 * runs on a server's thread: known results come from a cache, and new checks wait for a thread of
 * their own. The cache holds keyed digests of user, hash and password, no passwords. A flood of
 * wrong passwords delays new users only, not users whose password is in the cache.
 *
 * The checks of one client wait for each other; those of another client have their turn in between.
 * So a client waits for the running check, and for one check of each other client. When all places
 * are taken, the client that has most of them gives its newest one up.
 *
 * All checks do the same work, so that time does not tell which users exist: an unknown user is
 * checked as well, and a cheap hash is made as expensive as the most expensive one of the file. For
 * the same reason no place is kept for known users.
 */

#include <stdint.h>

#include "err.h"

struct auth;

enum auth_verdict {
    AUTH_RIGHT,
    AUTH_WRONG,
    AUTH_UNCHECKED, /* not in the cache */
};

struct auth_login {
    const char *user;
    const char *hash; /* NULL: there is no such user */
    int cost;         /* the highest bcrypt cost of all users */
    const char *password;
    uint64_t client; /* a hash of the address of the client */
};

int auth_new(struct auth **ret, struct err *err);

/* Lets the running check finish, ends the thread and wakes all waiting requests. From then on,
 * auth_check() returns -ESHUTDOWN. Call it once. */
void auth_stop(struct auth *auth);
void auth_free(struct auth *auth); /* after auth_stop(); accepts NULL */

/* Looks in the cache only. A password of more than LIMIT_PASSWORD bytes is wrong. Any thread. */
enum auth_verdict auth_look_up(struct auth *auth, const struct auth_login *login);

/*
 * Queues a check. Calls `wake(self)` on another thread when auth_look_up() knows the result, or
 * when auth_stop() is called. It is also called, on any thread and before there is a result, if the
 * check gives its place up, or for auth_cancel(): then look up and check again. Copies the texts.
 * Returns 0, -EBUSY if the queue is full, -ESHUTDOWN or -ENOMEM; then `wake` is not called.
 */
int auth_check(struct auth *auth, const struct auth_login *login, void (*wake)(void *self),
               void *self);

/* Takes the check with this `self` out of the queue and wakes it, unless it is running. */
void auth_cancel(struct auth *auth, const void *self);
