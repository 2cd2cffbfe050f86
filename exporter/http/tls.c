/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "exporter/http/web_file.h"
#include "mem.h"

struct tls {
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    enum client_auth client_auth;
};

static int fail(int code, const char *file, struct err *err)
{
    return err_set(err, code == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL, "'%s': %s", file,
                   gnutls_strerror(code));
}

/* GnuTLS reads two files in one call and does not say which one it cannot open, or why. */
static int check_opens(const char *file, struct err *err)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return err_set_errno(err, -errno, "open '%s'", file);
    close(fd);
    return 0;
}

static int load_certificate(struct tls *tls, const struct web_file *file, struct err *err)
{
    int r = check_opens(file->cert_file, err);

    if (r == 0)
        r = check_opens(file->key_file, err);
    if (r < 0)
        return r;
    r = gnutls_certificate_set_x509_key_file(tls->credentials, file->cert_file, file->key_file,
                                             GNUTLS_X509_FMT_PEM);
    if (r >= 0)
        return 0;
    return err_set(err, r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL, "'%s' with key '%s': %s",
                   file->cert_file, file->key_file, gnutls_strerror(r));
}

static int load_files(struct tls *tls, const struct web_file *file, struct err *err)
{
    int r = gnutls_certificate_allocate_credentials(&tls->credentials);

    if (r < 0)
        return fail(r, file->cert_file, err);
    r = load_certificate(tls, file, err);
    if (r == 0 && file->client_ca_file)
        r = check_opens(file->client_ca_file, err);
    if (r < 0 || !file->client_ca_file)
        return r;
    r = gnutls_certificate_set_x509_trust_file(tls->credentials, file->client_ca_file,
                                               GNUTLS_X509_FMT_PEM);
    if (r < 0)
        return fail(r, file->client_ca_file, err);
    return r ? 0 : err_set(err, -EINVAL, "'%s' contains no certificate", file->client_ca_file);
}

static int set_versions(struct tls *tls, const struct web_file *file, struct err *err)
{
    static const char *const names[] = { "TLS1.0", "TLS1.1", "TLS1.2", "TLS1.3" };
    char text[128];
    int len = snprintf(text, sizeof(text), "NORMAL:-VERS-ALL"), r;

    for (enum tls_version v = file->min_version; v <= file->max_version; v++)
        len += snprintf(text + len, sizeof(text) - (size_t)len, ":+VERS-%s", names[v]);
    r = gnutls_priority_init(&tls->priority, text, NULL);
    return r < 0 ? err_set(err, -EINVAL, "min_version and max_version: %s", gnutls_strerror(r)) : 0;
}

int tls_new(const struct web_file *file, struct tls **ret, struct err *err)
{
    struct tls *tls = mem_zalloc(sizeof(*tls));
    int r;

    if (!tls)
        return err_set(err, -ENOMEM, "no memory for TLS");
    tls->client_auth = file->client_auth;
    r = load_files(tls, file, err);
    if (r == 0)
        r = set_versions(tls, file, err);
    if (r < 0) {
        tls_free(tls);
        return r;
    }
    *ret = tls;
    return 0;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    if (tls->priority)
        gnutls_priority_deinit(tls->priority);
    if (tls->credentials)
        gnutls_certificate_free_credentials(tls->credentials);
    mem_free(tls);
}

/* Checks the purpose of the client's certificate, as Go does: a server's certificate is refused. */
static int verify_client(gnutls_session_t session)
{
    gnutls_typed_vdata_st purpose = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID,
        .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT,
    };
    unsigned status = 0;

    if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0 || status)
        return GNUTLS_E_CERTIFICATE_ERROR;
    return 0;
}

static int verify_client_if_given(gnutls_session_t session)
{
    unsigned n = 0;

    gnutls_certificate_get_peers(session, &n);
    return n ? verify_client(session) : 0;
}

static void ask_for_certificate(enum client_auth client_auth, gnutls_session_t session)
{
    switch (client_auth) {
    case CLIENT_AUTH_NONE:
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_IGNORE);
        break;
    case CLIENT_AUTH_REQUEST:
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
        break;
    case CLIENT_AUTH_ANY:
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        break;
    case CLIENT_AUTH_IF_GIVEN:
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
        gnutls_session_set_verify_function(session, verify_client_if_given);
        break;
    case CLIENT_AUTH_VERIFIED:
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_function(session, verify_client);
        break;
    }
}

int tls_attach(const struct tls *tls, void *session)
{
    if (gnutls_priority_set(session, tls->priority) < 0)
        return -EIO;
    if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials) < 0)
        return -ENOMEM;
    ask_for_certificate(tls->client_auth, session);
    return 0;
}

/* NOLINTNEXTLINE(readability-function-size): GnuTLS defines the parameters */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *authorities,
                          int n_authorities, const gnutls_pk_algorithm_t *algorithms,
                          int n_algorithms, gnutls_pcert_st **ret_chain, unsigned *ret_length,
                          gnutls_privkey_t *ret_key)
{
    (void)session, (void)authorities, (void)n_authorities, (void)algorithms, (void)n_algorithms;
    (void)ret_chain, (void)ret_length, (void)ret_key;
    return -1;
}

void *tls_no_certificate(void)
{
    return (void *)no_certificate;
}
