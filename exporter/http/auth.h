/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Checks passwords against bcrypt hashes. A check takes a tenth of a second on purpose, so it never
 * runs on a server's thread: known results come from a cache, and new checks wait for a thread of
 * their own. The cache holds keyed digests of hash and password, no passwords. A flood of wrong
 * passwords delays new users only, not users whose password is in the cache.
 */

#include "err.h"

struct auth;

enum auth_verdict {
    AUTH_RIGHT,
    AUTH_WRONG,
    AUTH_UNCHECKED, /* not in the cache */
};

int auth_new(struct auth **ret, struct err *err);

/* Lets the running check finish, ends the thread and wakes all waiting requests. From then on,
 * auth_check() returns -ESHUTDOWN. Call it once. */
void auth_stop(struct auth *auth);
void auth_free(struct auth *auth); /* after auth_stop(); accepts NULL */

/* Looks in the cache only. A password of more than LIMIT_PASSWORD bytes is wrong. Any thread. */
enum auth_verdict auth_look_up(struct auth *auth, const char *hash, const char *password);

/*
 * Queues a check. Calls `wake(self)` on another thread when auth_look_up() knows the result, or
 * when auth_stop() is called. Copies the texts. Returns 0, -EBUSY if the queue is full, -ESHUTDOWN
 * or -ENOMEM; then `wake` is not called.
 */
int auth_check(struct auth *auth, const char *hash, const char *password, void (*wake)(void *self),
               void *self);
