/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Compares image names. `busybox`, `docker.io/busybox:latest` and `index.docker.io/library/busybox`
 * are the same image, and witnesses use different spellings. Pure; any thread.
 *
 * Follows github.com/distribution/reference (ParseNormalizedNamed, TagNameOnly).
 */

#include <stdbool.h>

#include "limit.h"
#include "str.h"

/*
 * Writes the canonical form "host[:port]/repository(:tag|@digest)", NUL-terminated, and returns
 * true. A short name gets docker.io (and library/). A name without tag and digest gets ":latest".
 * If a name has both, the tag is dropped. The host is in lower case, IPv6 in brackets;
 * index.docker.io and registry-1.docker.io become docker.io.
 *
 * Returns false if `image` is not a reference or too long. `ret` then holds the text itself, cut to
 * fit, so that it can still be compared and shown.
 */
bool image_canonical(struct str image, char ret[LIMIT_IMAGE_TEXT]);

/* Writes the host[:port] of the registry as above, or "invalid". Never the host of a mirror. */
void image_registry(struct str image, char ret[LIMIT_NAME_TEXT]);

/* Whether both name the same image. */
bool image_same(struct str a, struct str b);
