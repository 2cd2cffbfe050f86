/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/classify/wordings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/classify/message.h"

void assert_wordings(const struct wording *wordings, size_t n)
{
    static struct message message;

    for (size_t i = 0; i < n; i++) {
        struct verdict v;

        normalise((struct str){ 0 }, str_from(wordings[i].message), &message);
        v = classify(&message);
        if (v.reason != wordings[i].reason)
            fail_msg("%s by rule %s, not %s: %s", reason_name(v.reason), v.rule,
                     reason_name(wordings[i].reason), wordings[i].message);
    }
}
