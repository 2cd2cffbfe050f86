/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Decides who may use a listener, by the rules of --web.config.file. Each connection and request
 * checks whether that file, or a file it names, has changed, and reads all of them again if so. New
 * connections then get the new certificate, and new requests the new users. If the new files have
 * an error, it is logged once, the old rules stay, and every later check tries again. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct guard;
struct guard_rules; /* immutable; counted references */

struct guard_login {
    const char *user; /* NULL: the request has none; likewise the password */
    const char *password;
    uint64_t client; /* see struct auth_login */
};

enum guard_verdict {
    GUARD_ADMITTED,
    GUARD_REFUSED,
    GUARD_WAITING, /* a password check is needed */
    GUARD_BUSY,    /* the queue of password checks is full */
};

/* Reads the files. `path` is kept, not copied. */
int guard_new(const char *path, struct guard **ret, struct err *err);

/* Wakes all waiting requests and accepts no new ones. Call it once, before the servers end. */
void guard_stop(struct guard *guard);
void guard_free(struct guard *guard); /* after guard_stop(); accepts NULL */

bool guard_has_tls(const struct guard *guard); /* never changes */

/* The current rules; never NULL. */
struct guard_rules *guard_rules_get(struct guard *guard);
void guard_rules_put(struct guard_rules *rules); /* accepts NULL */

/* Sets up a TLS session; the rules must outlive it. See tls_attach(). */
int guard_rules_attach(const struct guard_rules *rules, void *session);

/* The header at `i` of the headers that each answer gets; false after the last one. */
bool guard_rules_header(const struct guard_rules *rules, size_t i, const char **ret_name,
                        const char **ret_value);

bool guard_rules_ask_password(const struct guard_rules *rules);

/* Never blocks. Returns GUARD_WAITING if guard_check() must be called. */
enum guard_verdict guard_look_up(struct guard *guard, const struct guard_rules *rules,
                                 const struct guard_login *login);

/* Starts the check after guard_look_up() returned GUARD_WAITING. Returns GUARD_WAITING and calls
 * `wake`, see auth_check(), or returns GUARD_BUSY and does not call it. */
enum guard_verdict guard_check(struct guard *guard, const struct guard_rules *rules,
                               const struct guard_login *login, void (*wake)(void *self),
                               void *self);

/* Gives up the check with this `self`, if one waits; calls its `wake`. */
void guard_cancel(struct guard *guard, const void *self);
