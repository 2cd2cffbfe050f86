/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/kube/http/base64.h"
#include "util.h"

static void base64_is_read_as_go_does(void **state)
{
    static const char *const good[][2] = { { "", "" },
                                           { "Zg==", "f" },
                                           { "Zm8=", "fo" },
                                           { "Zm9v", "foo" },
                                           { "Zm9v\nYg==\r\n", "foob" } };
    static const char *const bad[] = { "Z",    "Zg",       "Zg=",   "Zm8",  "Z===",
                                       "====", "Zg==Zg==", "Zm9v=", "Zm-v", "Zm v" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good) + ARRAY_SIZE(bad); i++) {
        const bool is_good = i < ARRAY_SIZE(good);
        const char *text = is_good ? good[i][0] : bad[i - ARRAY_SIZE(good)];
        struct buf bytes;

        buf_init(&bytes, 100);
        if (base64_decode(str_from(text), &bytes) != (is_good ? 0 : -EINVAL))
            fail_msg("'%s'", text);
        if (is_good)
            assert_true(str_eq(buf_str(&bytes), str_from(good[i][1])));
        buf_done(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_read_as_go_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
