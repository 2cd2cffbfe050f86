/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Messages carry secrets: user:password@ in URLs, presigned URLs of blob stores,
 * bearer tokens. They go before anything is stored, logged or shown.
 */

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

/*
 * Replaces, in place, and returns the new length, which is never more than `len`:
 *
 * - `user:password@` in front of a host, by `REDACTED@`;
 * - the values of a URL's query, but for scope, service and ns, which name no secret;
 * - the values of keys that name a secret (`token=`, `"password": "..."`, `sig=`, `X-Amz-...`);
 *   behind a colon in prose only where they look like a token (`X-Registry-Auth: eyJ1...`);
 * - what follows Bearer or Basic where it looks like a token;
 * - tokens that are known by their shape (ghp_..., glpat-..., AKIA..., a JWT) wherever they stand;
 * - what a command line was given as a password: --password X, --creds user:X, login -p X.
 *
 * A value shorter than the word REDACTED becomes as many stars.
 */
size_t redact(char *text, size_t len);

/* Whether a text is long and mixed enough for a token, and neither a host nor a path. */
bool redact_is_token(struct str text);

/* Whether a text ends in "Bearer" or "Basic". */
bool redact_ends_in_scheme(struct str text);

/* Whether `key=value` has a value to redact. */
bool redact_wants_key(struct str key);

/* Whether a URL, or any value, has: a query with more than its public part, or "user@". */
bool redact_wants_url(struct str url);

/* The last two of the above, which are words of their own. Called by redact(). */
size_t redact_words(char *text, size_t len);

/* Whether a text, or what stands behind its first colon, has the shape of a known token. */
bool redact_wants_word(struct str text);
