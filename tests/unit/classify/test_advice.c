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
    const struct advice_facts nothing = { .n_pull_secrets = 0 };

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
    assert_advice_has(REASON_NO_CREDENTIALS, &(struct advice_facts){ .n_pull_secrets = 0 },
                      "The registry requires credentials");
}

static void advice_names_the_pods_pull_secrets(void **state)
{
    const struct advice_facts missing = { .missing_secret = STR("regcred"),
                                          .pull_secrets_known = true,
                                          .n_pull_secrets = 1 };
    const struct advice_facts none = { .pull_secrets_known = true };
    const struct advice_facts one = { .pull_secrets_known = true, .n_pull_secrets = 1 };
    struct buf out;

    (void)state;
    assert_advice_has(REASON_PULL_SECRET_MISSING, &missing,
                      "The pull Secret \"regcred\", which the pod names, does not exist in its");
    write_advice(&out, REASON_PULL_SECRET_MISSING, &missing);
    assert_null(strstr(strstr(out.at, "does not exist") + 1,
                       "does not exist")); /* the advice says it only once */
    buf_done(&out);
    assert_advice_has(REASON_PULL_SECRET_MISSING, &none, "A pull Secret that the pod names");
    assert_advice_has(REASON_BAD_CREDENTIALS, &missing, "; the Secret \"regcred\" does not exist.");
    assert_advice_has(REASON_NO_CREDENTIALS, &none, "; the pod has no imagePullSecrets.");
    write_advice(&out, REASON_NO_CREDENTIALS, &one);
    assert_null(strstr(out.at, "has no imagePullSecrets"));
    assert_non_null(strstr(out.at, "none of the pod's imagePullSecrets is for this registry"));
    buf_done(&out);
    write_advice(&out, REASON_DNS_NOT_FOUND, &none);
    assert_null(strstr(out.at, "imagePullSecrets"));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_one_sentence),
        cmocka_unit_test(advice_names_the_registry),
        cmocka_unit_test(advice_names_the_pods_pull_secrets),
    };

    return cmocka_run_group_tests_name("advice", tests, NULL, NULL);
}
