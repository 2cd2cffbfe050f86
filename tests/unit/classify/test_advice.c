/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/message.h"
#include "buf.h"

static void write_advice(struct buf *out, enum reason reason, const struct advice_facts *facts)
{
    struct verdict verdict = { .cause = reason_cause(reason), .reason = reason, .rule = "test" };

    buf_init(out, 4096);
    advice_write(out, &verdict, facts);
    assert_int_equal(buf_error(out), 0);
    assert_non_null(out->at);
}

static void assert_advice_has(enum reason reason, const struct advice_facts *facts,
                              const char *part)
{
    struct buf out;

    write_advice(&out, reason, facts);
    if (!strstr(out.at, part))
        fail_msg("\"%s\" does not say \"%s\"", out.at, part);
    buf_done(&out);
}

static void every_reason_has_one_sentence(void **state)
{
    const struct advice_facts nothing = { .registry = STR("") };

    (void)state;
    for (unsigned i = 0; i < REASON_MAX; i++) {
        struct buf out;

        write_advice(&out, (enum reason)i, &nothing);
        assert_in_range(out.len, 30, 320);
        assert_true(out.at[0] >= 'A' && out.at[0] <= 'Z');
        assert_int_equal(out.at[out.len - 1], '.');
        assert_null(strchr(out.at, '%'));
        buf_done(&out);
    }
}

static void advice_names_the_registry(void **state)
{
    const struct advice_facts facts = { .registry = STR("r.example.com:5000") };

    (void)state;
    assert_advice_has(REASON_NO_CREDENTIALS, &facts, "r.example.com:5000 requires credentials");
    assert_advice_has(REASON_NO_CREDENTIALS, &facts, "imagePullSecret for r.example.com:5000");
    assert_advice_has(REASON_NO_CREDENTIALS, &(struct advice_facts){ .registry = STR("") },
                      "The registry requires credentials");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_one_sentence),
        cmocka_unit_test(advice_names_the_registry),
    };

    return cmocka_run_group_tests_name("advice", tests, NULL, NULL);
}
