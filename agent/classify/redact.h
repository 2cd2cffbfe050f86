/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Removes secrets from a message: user:password@ in URLs, presigned URLs of blob stores, bearer
 * tokens. Called before a message is stored, logged or shown. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

/*
 * Replaces secrets in place. Returns the new length, which is at most `len`. Secrets are:
 *
 * - `user:password@` in front of a host; it becomes `REDACTED@`;
 * - the values in a URL's query, except scope, service and ns;
 * - the value of a key that names a secret (`token=`, `"password": "..."`, `sig=`, `X-Amz-...`);
 *   after a colon in prose only if it looks like a token (`X-Registry-Auth: eyJ1...`);
 * - the word after Bearer or Basic, if it looks like a token;
 * - a token of a known shape (ghp_..., glpat-..., AKIA..., a JWT) anywhere;
 * - a password on a command line: --password X, --creds user:X, login -p X.
 *
 * A value that is shorter than the word REDACTED becomes as many stars.
 */
size_t redact(char *text, size_t len);

/* Whether a text has the length and the mix of bytes of a token, and is not a host or a path. */
bool redact_is_token(struct str text);

/* Whether a text ends in "Bearer" or "Basic". */
bool redact_ends_in_scheme(struct str text);

/* Whether `key=value` has a value to redact. */
bool redact_wants_key(struct str key);

/* Whether a URL or another value has something to redact: a query with more than public keys, or
 * "user@". */
bool redact_wants_url(struct str url);

/* The last two kinds of secrets above, which are words of their own. Called by redact(). */
size_t redact_words(char *text, size_t len);

/* Whether a text, or the part after its first colon, has the shape of a known token. */
bool redact_wants_word(struct str text);
