/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Macros that the whole tree uses. */

#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Runs `fn(&variable)` when the variable leaves its scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Moves a pointer out of `p`: returns its value and sets `p` to NULL. */
#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

/* For a large local that is filled before it is read: the build sets all others to zero
 * (-ftrivial-auto-var-init=zero). */
#define UNINITIALIZED __attribute__((uninitialized))

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* All times are int64_t microseconds in variables that end in `_us`. */
#define MSEC INT64_C(1000)
#define SEC INT64_C(1000000)
#define MINUTE (60 * SEC)
#define HOUR (60 * MINUTE)
