/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/http/pem.h"

#include <errno.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "limit.h"

static gnutls_datum_t datum(struct str text)
{
    return (gnutls_datum_t){ .data = (unsigned char *)(text.at ? text.at : ""),
                             .size = (unsigned)text.len };
}

/* Takes the next certificate off the front of `rest`: from its BEGIN line up to the next block. */
static bool next_certificate(struct str *rest, struct str *ret)
{
    const char *begin = str_find(*rest, STR("-----BEGIN CERTIFICATE-----"));
    const char *next;

    if (!begin)
        return false;
    *rest = str_span(begin, rest->at + rest->len);
    next = str_find(str_skip(*rest, 1), STR("-----BEGIN "));
    *ret = next ? str_span(begin, next) : *rest;
    *rest = str_skip(*rest, ret->len);
    return true;
}

static int import_certificate(struct str block)
{
    const gnutls_datum_t pem = datum(block);
    gnutls_x509_crt_t certificate;
    int r = gnutls_x509_crt_init(&certificate);

    if (r < 0)
        return r;
    r = gnutls_x509_crt_import(certificate, &pem, GNUTLS_X509_FMT_PEM);
    gnutls_x509_crt_deinit(certificate);
    return r;
}

/* One at a time: a parsed certificate needs ten times the memory of its text. */
static int check_certificates(struct str text, struct err *err)
{
    struct str block;
    size_t n = 0;

    while (next_certificate(&text, &block)) {
        int r;

        if (++n > LIMIT_CERTIFICATES)
            return err_set(err, -EINVAL, "has more than %u certificates", LIMIT_CERTIFICATES);
        /* GnuTLS reads a block without its END line, OpenSSL does not. */
        if (!str_find(block, STR("-----END CERTIFICATE-----")))
            return err_set(err, -EINVAL, "is damaged: certificate %zu has no END line", n);
        r = import_certificate(block);
        if (r == GNUTLS_E_MEMORY_ERROR)
            return err_set(err, -ENOMEM, "cannot be checked: no memory");
        if (r < 0)
            return err_set(err, -EINVAL, "is damaged: certificate %zu: %s", n, gnutls_strerror(r));
    }
    return n ? 0 : err_set(err, -EINVAL, "has no PEM certificate");
}

static bool is_encrypted(struct str text)
{
    return str_find(text, STR("-----BEGIN ENCRYPTED PRIVATE KEY-----")) ||
           str_find(text, STR("Proc-Type: 4,ENCRYPTED"));
}

static int check_private_key(struct str text, struct err *err)
{
    const struct str label = STR("PRIVATE KEY-----"); /* "RSA PRIVATE KEY", "EC PRIVATE KEY" ... */
    const char *begin = str_find(text, label);
    const gnutls_datum_t pem = datum(text);
    gnutls_x509_privkey_t key;
    int r;

    if (is_encrypted(text))
        return err_set(err, -EINVAL, "is encrypted; a key without a passphrase is needed");
    if (!begin)
        return err_set(err, -EINVAL, "has no PEM private key");
    if (!str_find(str_span(begin + label.len, text.at + text.len), label))
        return err_set(err, -EINVAL, "is damaged: the private key has no END line");
    r = gnutls_x509_privkey_init(&key);
    if (r == 0) {
        r = gnutls_x509_privkey_import(key, &pem, GNUTLS_X509_FMT_PEM);
        gnutls_x509_privkey_deinit(key); /* wipes the key */
    }
    if (r == GNUTLS_E_MEMORY_ERROR)
        return err_set(err, -ENOMEM, "cannot be checked: no memory");
    return r < 0 ? err_set(err, -EINVAL, "is damaged: private key: %s", gnutls_strerror(r)) : 0;
}

int pem_check(struct str text, enum pem_kind kind, struct err *err)
{
    return kind == PEM_PRIVATE_KEY ? check_private_key(text, err) : check_certificates(text, err);
}
