/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/kube/http/pem.h"
#include "limit.h"
#include "tests/unit/kube/kube_story.h"
#include "util.h"

#define BLOCK(label, body) "-----BEGIN " label "-----\n" body "-----END " label "-----\n"

static struct buf load(const char *name)
{
    char path[64];
    struct buf pem;

    snprintf(path, sizeof(path), "../kube/%s", name);
    recording_read(path, &pem);
    return pem;
}

static void assert_good(struct str pem, enum pem_kind kind)
{
    struct err err = ERR_INIT;

    if (pem_check(pem, kind, &err) < 0)
        fail_msg("'%.*s' %s", STR_ARG(pem), err.text);
}

static void assert_refused(struct str pem, enum pem_kind kind, const char *words)
{
    struct err err = ERR_INIT;

    if (pem_check(pem, kind, &err) != -EINVAL)
        fail_msg("'%.*s' is accepted", STR_ARG(pem));
    if (!str_find(str_from(err.text), str_from(words)))
        fail_msg("\"%s\" does not contain \"%s\"", err.text, words);
}

static void certificates_and_keys_of_openssl_are_good(void **state)
{
    static const char *const certificates[] = { "ca-old.crt", "client-one.crt",
                                                "server-named.crt" };
    static const char *const keys[] = { "client-one.key", "server-old.key" };
    struct buf pem;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(certificates); i++) {
        pem = load(certificates[i]);
        assert_good(buf_str(&pem), PEM_CERTIFICATES);
        buf_done(&pem);
    }
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        pem = load(keys[i]);
        assert_good(buf_str(&pem), PEM_PRIVATE_KEY);
        buf_done(&pem);
    }
}

static void add_with_crlf_and_blanks(struct buf *to, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '\n')
            buf_add_text(to, " \r");
        buf_add_byte(to, text.at[i]);
    }
}

static void text_and_other_blocks_around_it_are_ignored(void **state)
{
    struct buf ca = load("ca-old.crt"), key = load("client-one.key"), pem;

    (void)state;
    buf_init(&pem, 1 << 16);
    buf_add_text(&pem, "subject=/CN=a\n" BLOCK("X509 CRL", "junk!\n"));
    buf_add(&pem, buf_str(&ca));
    buf_add_text(&pem, "\n# the same, as it comes out of a mail\r\n");
    add_with_crlf_and_blanks(&pem, buf_str(&ca));
    buf_add(&pem, buf_str(&key));
    assert_good(buf_str(&pem), PEM_CERTIFICATES);
    assert_good(buf_str(&pem), PEM_PRIVATE_KEY);

    buf_reset(&pem);
    buf_add_text(&pem, BLOCK("EC PARAMETERS", "BggqhkjOPQMBBw==\n"));
    buf_add(&pem, buf_str(&key));
    assert_good(buf_str(&pem), PEM_PRIVATE_KEY);
    buf_done(&pem);
    buf_done(&key);
    buf_done(&ca);
}

/* An empty ASN.1 sequence: valid armour, valid base64, valid DER, and not a certificate. */
static void block_without_a_certificate_in_it_is_refused(void **state)
{
    (void)state;
    assert_refused(STR(BLOCK("CERTIFICATE", "MAA=\n")), PEM_CERTIFICATES,
                   "is damaged: certificate 1: ");
    assert_refused(STR(BLOCK("RSA PRIVATE KEY", "MAA=\n")), PEM_PRIVATE_KEY,
                   "is damaged: private key: ");
    assert_refused(STR(BLOCK("PRIVATE KEY", "MAA=\n")), PEM_PRIVATE_KEY,
                   "is damaged: private key: ");
}

static void overwritten_bytes_are_refused(void **state)
{
    static const size_t offsets[] = { 30, 100, 300, 400 };
    struct buf good = load("ca-new.crt"), ca, key;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        ca = load("ca-old.crt");
        buf_add(&ca, buf_str(&good));
        memset(ca.at + offsets[i], 'A', 30);
        assert_refused(buf_str(&ca), PEM_CERTIFICATES, "is damaged: certificate 1: ");
        buf_done(&ca);
    }
    buf_done(&good);
    key = load("client-one.key");
    memset(key.at + 60, 'A', 30);
    assert_refused(buf_str(&key), PEM_PRIVATE_KEY, "is damaged: private key: ");
    buf_done(&key);
}

static void damaged_certificate_is_named_by_its_number(void **state)
{
    struct buf pem = load("ca-old.crt");

    (void)state;
    buf_add_text(&pem, BLOCK("CERTIFICATE", "j\xc3\xbcnk\n"));
    assert_refused(buf_str(&pem), PEM_CERTIFICATES, "is damaged: certificate 2: ");
    buf_done(&pem);
}

static void cut_file_is_refused(void **state)
{
    struct buf ca = load("ca-old.crt"), key = load("client-one.key");

    (void)state;
    for (size_t len = 0; len + 1 < ca.len; len++)
        assert_refused(str_head(buf_str(&ca), len), PEM_CERTIFICATES,
                       len < strlen("-----BEGIN CERTIFICATE-----")
                           ? "has no PEM certificate"
                           : "is damaged: certificate 1 has no END line");
    for (size_t len = 0; len + 1 < key.len; len++)
        assert_refused(str_head(buf_str(&key), len), PEM_PRIVATE_KEY,
                       len < strlen("-----BEGIN PRIVATE KEY-----")
                           ? "has no PEM private key"
                           : "is damaged: the private key has no END line");
    buf_done(&key);
    buf_done(&ca);
}

static void other_damage_is_refused(void **state)
{
    static const struct {
        const char *pem;
        enum pem_kind kind;
        const char *words;
    } bad[] = {
        { "", PEM_CERTIFICATES, "has no PEM certificate" },
        { BLOCK("PRIVATE KEY", "MAA=\n"), PEM_CERTIFICATES, "has no PEM certificate" },
        { BLOCK("CERTIFICATE", "MAA=\n"), PEM_PRIVATE_KEY, "has no PEM private key" },
        { "-----BEGIN CERTIFICATE-----\nMAA=\n-----END X-----\n", PEM_CERTIFICATES, "is damaged" },
        { "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE", PEM_CERTIFICATES,
          "is damaged" },
        { BLOCK("CERTIFICATE", "MA\n"), PEM_CERTIFICATES, "is damaged" },   /* no padding */
        { BLOCK("CERTIFICATE", ""), PEM_CERTIFICATES, "is damaged" },       /* empty */
        { BLOCK("CERTIFICATE", "AAAA\n"), PEM_CERTIFICATES, "is damaged" }, /* no sequence */
        { BLOCK("CERTIFICATE", "MAAA\n"), PEM_CERTIFICATES, "is damaged" }, /* a byte too many */
        { BLOCK("CERTIFICATE", "MAI=\n"), PEM_CERTIFICATES, "is damaged" }, /* cut */
        { BLOCK("CERTIFICATE", "MIA=\n"), PEM_CERTIFICATES, "is damaged" }, /* BER */
        { BLOCK("CERTIFICATE", "MIX/////\n"), PEM_CERTIFICATES, "is damaged" },
        { BLOCK("CERTIFICATE", "MIT/////\n"), PEM_CERTIFICATES, "is damaged" },
        { BLOCK("ENCRYPTED PRIVATE KEY", "MAA=\n"), PEM_PRIVATE_KEY, "is encrypted" },
        { BLOCK("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nMAA=\n"),
          PEM_PRIVATE_KEY, "is encrypted" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_refused(str_from(bad[i].pem), bad[i].kind, bad[i].words);
}

static void certificates_over_the_limit_are_refused(void **state)
{
    struct buf ca = load("ca-old.crt"), pem;

    (void)state;
    buf_init(&pem, (LIMIT_CERTIFICATES + 1) * (ca.len + 1));
    for (size_t i = 0; i < LIMIT_CERTIFICATES; i++)
        buf_add(&pem, buf_str(&ca));
    assert_good(buf_str(&pem), PEM_CERTIFICATES);
    buf_add(&pem, buf_str(&ca));
    assert_refused(buf_str(&pem), PEM_CERTIFICATES, "has more than 4096 certificates");
    buf_done(&pem);
    buf_done(&ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_and_keys_of_openssl_are_good),
        cmocka_unit_test(text_and_other_blocks_around_it_are_ignored),
        cmocka_unit_test(block_without_a_certificate_in_it_is_refused),
        cmocka_unit_test(overwritten_bytes_are_refused),
        cmocka_unit_test(damaged_certificate_is_named_by_its_number),
        cmocka_unit_test(cut_file_is_refused),
        cmocka_unit_test(other_damage_is_refused),
        cmocka_unit_test(certificates_over_the_limit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
