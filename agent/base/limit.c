/* SPDX-License-Identifier: Apache-2.0 */
#include "limit.h"

const char *limit_name(enum limit limit)
{
    static const char *const names[] = {
#define X(name, text) [LIMIT_HIT_##name] = (text),
        LIMIT_TABLE(X)
#undef X
    };

    return names[limit];
}

const char *limit_left_out(enum limit limit)
{
    static const char *const texts[LIMIT_HIT_MAX] = {
#define X(name, text) [LIMIT_HIT_##name] = (text),
        LEFT_OUT_TABLE(X)
#undef X
    };

    return texts[limit];
}
