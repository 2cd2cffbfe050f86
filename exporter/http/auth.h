/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Passwords against bcrypt hashes. A check costs a tenth of a second on purpose, so
 * none is done on a server's thread: what was checked before is answered from a
 * cache, by a keyed digest of hash and password, and all else waits for a thread
 * of its own. Whoever floods it with wrong passwords delays other newcomers and
 * nobody who has been let in before.
 */

#include "err.h"

struct auth;

#define AUTH_PASSWORD_MAX 256u

enum auth_verdict {
    AUTH_RIGHT,
    AUTH_WRONG,
    AUTH_UNCHECKED, /* not in the cache */
};

int auth_new(struct auth **ret, struct err *err);

/* Ends the check that is under way, wakes all who wait, and answers AUTH_UNCHECKED and -ESHUTDOWN
 * from then on. Returns when its thread has ended. Once. */
void auth_stop(struct auth *auth);
void auth_free(struct auth *auth); /* stopped before; accepts NULL */

/* From the cache alone. Any thread. A password over AUTH_PASSWORD_MAX is wrong. */
enum auth_verdict auth_look_up(struct auth *auth, const char *hash, const char *password);

/*
 * Has the password checked; `wake(self)` is called from another thread when
 * auth_look_up() knows the answer, or auth_stop() was called. Texts are copied. Returns
 * 0, -EBUSY where too many wait already, -ESHUTDOWN or -ENOMEM; `wake` is not called then.
 */
int auth_check(struct auth *auth, const char *hash, const char *password, void (*wake)(void *self),
               void *self);
