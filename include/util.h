/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The few macros that the whole tree uses. */

#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Runs `fn(&variable)` when the variable leaves its scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Hands a pointer over: the value of `p`, and `p` is NULL afterwards. */
#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* All times are int64_t microseconds in variables that end in `_us`. */
#define MSEC INT64_C(1000)
#define SEC INT64_C(1000000)
#define MINUTE (60 * SEC)
#define HOUR (60 * MINUTE)
