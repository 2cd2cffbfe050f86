/* SPDX-License-Identifier: Apache-2.0 */
#include "sink.h"

const char *reconnect_name(enum reconnect reconnect)
{
    static const char *const names[] = {
#define X(name, text) [RECONNECT_##name] = (text),
        RECONNECT_TABLE(X)
#undef X
    };

    return names[reconnect];
}
