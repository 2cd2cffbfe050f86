/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who may use a listener: what --web.config.file says now. The file, and each that it
 * names, is looked at when a connection or a request comes, and read again when it
 * is another: new connections get the new certificate, requests the new users.
 * What cannot be used is logged once, tried again each time, and changes nothing. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct guard;
struct guard_rules; /* what held at one moment; counted */

enum guard_verdict {
    GUARD_ADMITTED,
    GUARD_REFUSED,
    GUARD_WAITING, /* `wake` is called when guard_look_up() knows more */
    GUARD_BUSY,
};

/* Reads the files; `path` must live as long as the guard. */
int guard_new(const char *path, struct guard **ret, struct err *err);

/* Wakes whoever waits, and lets nobody wait any more. Once, before the servers end. */
void guard_stop(struct guard *guard);
void guard_free(struct guard *guard); /* stopped before; accepts NULL */

bool guard_has_tls(const struct guard *guard); /* for its whole life */

/* What holds now; never NULL. */
struct guard_rules *guard_rules_get(struct guard *guard);
void guard_rules_put(struct guard_rules *rules); /* accepts NULL */

/* Makes a TLS session follow the rules, which must live as long as it does; see tls_attach(). */
int guard_rules_attach(const struct guard_rules *rules, void *session);

/* The header at `i` that each answer gets; false past the end. */
bool guard_rules_header(const struct guard_rules *rules, size_t i, const char **ret_name,
                        const char **ret_value);

bool guard_rules_ask_password(const struct guard_rules *rules);

/* By what is known already: never waits, and says WAITING where a check is needed. `user` and
 * `password` may be NULL. */
enum guard_verdict guard_look_up(struct guard *guard, const struct guard_rules *rules,
                                 const char *user, const char *password);

/* After GUARD_WAITING: has the check done. GUARD_WAITING, or GUARD_BUSY: `wake` is not called. */
enum guard_verdict guard_check(struct guard *guard, const struct guard_rules *rules,
                               const char *user, const char *password, void (*wake)(void *self),
                               void *self);
