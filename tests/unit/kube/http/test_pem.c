/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/kube/http/pem.h"
#include "tests/unit/kube/kube_story.h"
#include "tests/unit/support/fault_heap.h"
#include "util.h"

#define BLOCK(label, body) "-----BEGIN " label "-----\n" body "-----END " label "-----\n"
#define CERTIFICATE BLOCK("CERTIFICATE", "MAA=\n")

static void real_files_are_good(void **state)
{
    static const char *const certificates[] = { "ca-old.crt", "client-one.crt",
                                                "server-named.crt" };
    static const char *const keys[] = { "client-one.key", "server-old.key" };
    char name[64];
    struct buf pem;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(certificates) + ARRAY_SIZE(keys); i++) {
        const bool is_key = i >= ARRAY_SIZE(certificates);
        struct err err = ERR_INIT;

        snprintf(name, sizeof(name), "../kube/%s",
                 is_key ? keys[i - ARRAY_SIZE(certificates)] : certificates[i]);
        recording_read(name, &pem);
        if (pem_check(buf_str(&pem), is_key ? PEM_PRIVATE_KEY : PEM_CERTIFICATES, &err) < 0)
            fail_msg("%s %s", name, err.text);
        buf_done(&pem);
    }
}

static void what_openssl_reads_is_good(void **state)
{
    static const struct {
        const char *pem;
        enum pem_kind kind;
    } good[] = {
        { CERTIFICATE, PEM_CERTIFICATES },
        { "subject=/CN=a\n" CERTIFICATE "\n# another\n" CERTIFICATE, PEM_CERTIFICATES },
        { BLOCK("CERTIFICATE", "MA\r\nA= \r\n"), PEM_CERTIFICATES },
        { BLOCK("X509 CRL", "junk!\n") CERTIFICATE, PEM_CERTIFICATES },
        { BLOCK("CERTIFICATE", "MIEBAA==\n"), PEM_CERTIFICATES }, /* a length of one octet more */
        { BLOCK("EC PARAMETERS", "BggqhkjOPQMBBw==\n") BLOCK("EC PRIVATE KEY", "MAA=\n"),
          PEM_PRIVATE_KEY },
        { BLOCK("RSA PRIVATE KEY", "MAA=\n"), PEM_PRIVATE_KEY },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct err err = ERR_INIT;

        if (pem_check(str_from(good[i].pem), good[i].kind, &err) < 0)
            fail_msg("%zu %s", i, err.text);
    }
}

static void what_is_damaged_is_refused_in_words(void **state)
{
    static const struct {
        const char *pem;
        enum pem_kind kind;
        const char *says;
    } bad[] = {
        { "", PEM_CERTIFICATES, "holds no PEM certificate" },
        { "-----BEGIN ", PEM_CERTIFICATES, "holds no PEM certificate" },
        { BLOCK("PRIVATE KEY", "MAA=\n"), PEM_CERTIFICATES, "holds no PEM certificate" },
        { CERTIFICATE, PEM_PRIVATE_KEY, "holds no PEM private key" },
        { "-----BEGIN CERTIFICATE-----\nMAA=\n", PEM_CERTIFICATES, "without its END line" },
        { "-----BEGIN CERTIFICATE-----\nMAA=\n-----END X-----\n", PEM_CERTIFICATES,
          "without its END line" },
        { "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE", PEM_CERTIFICATES,
          "without its END line" },
        { CERTIFICATE BLOCK("CERTIFICATE", "j\xc3\xbcnk\n"), PEM_CERTIFICATES, "is no base64" },
        { BLOCK("CERTIFICATE", "MA\n"), PEM_CERTIFICATES, "is no base64" },
        { BLOCK("CERTIFICATE", ""), PEM_CERTIFICATES, "that is none inside" },
        { BLOCK("CERTIFICATE", "AAAA\n"), PEM_CERTIFICATES, "that is none inside" },
        { BLOCK("CERTIFICATE", "MAAA\n"), PEM_CERTIFICATES,
          "that is none inside" }, /* a byte over */
        { BLOCK("CERTIFICATE", "MAI=\n"), PEM_CERTIFICATES, "that is none inside" }, /* cut */
        { BLOCK("CERTIFICATE", "MIA=\n"), PEM_CERTIFICATES, "that is none inside" }, /* BER */
        { BLOCK("CERTIFICATE", "MIX/////\n"), PEM_CERTIFICATES, "that is none inside" },
        { BLOCK("CERTIFICATE", "MIT/////\n"), PEM_CERTIFICATES, "that is none inside" },
        { BLOCK("ENCRYPTED PRIVATE KEY", "MAA=\n"), PEM_PRIVATE_KEY, "is encrypted" },
        { BLOCK("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nMAA=\n"),
          PEM_PRIVATE_KEY, "is encrypted" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = ERR_INIT;

        if (pem_check(str_from(bad[i].pem), bad[i].kind, &err) != -EINVAL)
            fail_msg("%zu: '%s' is taken for good", i, bad[i].pem);
        if (!str_find(str_from(err.text), str_from(bad[i].says)))
            fail_msg("%zu: \"%s\" does not say \"%s\"", i, err.text, bad[i].says);
    }
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        const size_t live = fault_heap_live();
        struct err err = ERR_INIT;
        bool fired;
        int r;

        fault_heap_fail_at(n);
        r = pem_check(STR(CERTIFICATE), PEM_CERTIFICATES, &err);
        fired = fault_heap_fired();
        assert_int_equal(fault_heap_live(), live);
        assert_int_equal(r, fired ? -ENOMEM : 0);
        if (!fired) {
            assert_true(n > 1);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_files_are_good),
        cmocka_unit_test(what_openssl_reads_is_good),
        cmocka_unit_test(what_is_damaged_is_refused_in_words),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
