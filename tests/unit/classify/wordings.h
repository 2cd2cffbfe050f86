/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Messages and what they mean, for the tests of the rules' tables. */

#include <stddef.h>

#include "causes.h"

struct wording {
    const char *message;
    enum reason reason;
};

/* Fails at the first that is taken for something else, and says for what. */
void assert_wordings(const struct wording *wordings, size_t n);
