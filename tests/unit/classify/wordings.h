/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Messages and their reasons, for the tests of the rule tables. */

#include <stddef.h>

#include "causes.h"

struct wording {
    const char *message;
    enum reason reason;
};

/* Fails at the first message with another reason, and names that. */
void assert_wordings(const struct wording *wordings, size_t n);
