/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Image identity. `busybox`, `docker.io/busybox:latest` and
 * `index.docker.io/library/busybox` are one image; witnesses spell it
 * differently, so everything that compares images goes through here. Pure.
 *
 * Rules as in github.com/distribution/reference (ParseNormalizedNamed, TagNameOnly).
 */

#include <stdbool.h>

#include "limits.h"
#include "str.h"

/*
 * Writes the canonical form "host[:port]/repository(:tag|@digest)" into `ret`,
 * terminated, and returns true. A short name gets docker.io (and library/), a
 * name without tag and digest gets ":latest"; of a name with both, the digest
 * counts. The host is lower case, IPv6 in brackets; index.docker.io and
 * registry-1.docker.io are docker.io.
 *
 * Returns false for what is no reference (or too long); `ret` then holds the text
 * itself, cut to fit, so that it can still be compared and shown.
 */
bool image_canonical(struct str image, char ret[LIMIT_IMAGE_TEXT]);

/* The registry's host[:port] as above, or "invalid". Never a mirror's. */
void image_registry(struct str image, char ret[LIMIT_NAME_TEXT]);

/* The same image, however spelled. */
bool image_same(struct str a, struct str b);
