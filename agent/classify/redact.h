/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Removes secrets from a text. Called before a text is stored, logged or shown. Pure; any thread;
 * the time is linear in the length.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * Replaces secrets in place. Returns the new length, which is at most `len`; a second time nothing
 * changes. Secrets are:
 *
 * - `user:password@` in front of a host; it becomes `REDACTED@`;
 * - the values in a URL's query, except those that say what was asked for and until when the URL is
 *   valid;
 * - the value of a key that names a secret, in all notations (`token=`, `"password": "..."`,
 *   `Password:x` in a Go structure). After a colon in prose only if it looks like a secret:
 *   "unauthorized: incorrect username or password" has none;
 * - the token after Bearer or Basic, and the values of cookies;
 * - a token of a known shape (ghp_..., glpat-..., AKIA..., a JWT, a docker configuration in base64)
 *   and a private key in PEM;
 * - a password on a command line: --password X, --creds user:X, login -p X.
 *
 * A value that is shorter than the word REDACTED becomes as many stars. Of a text in which each
 * mask makes a new secret, again and again, only REDACTED remains.
 */
size_t redact(char *text, size_t len);

#define WORD_MAP_SIZE(len) ((len) / 64 + 2)

/* Spaces that follow the text for redact_and_map(), before and after it. */
#define TEXT_PADDING 64u

/*
 * The same, and `words` gets one bit for each byte of the result, the first byte lowest: 1 for a
 * letter, a digit, "-" and "_". At least 64 bits after them are 0. It has WORD_MAP_SIZE(len)
 * numbers.
 */
size_t redact_and_map(char *text, size_t len, uint64_t *words);
