/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <gnutls/gnutls.h>
#include <microhttpd.h>

#include "agent/kube/http/client.h"
#include "clock.h"
#include "tests/unit/kube/kube_story.h"
#include "util.h"

/*
 * The client against a TLS server on this machine, with credentials that change. The
 * certificates in tests/data/kube are for api.test and 127.0.0.1, or for api.test alone, and were
 * signed by ca-old or ca-new.
 */

#define PEM_MAX 4096

struct server {
    struct MHD_Daemon *daemon;
    int port;
    char answer[16]; /* client certificate of the last request: "one", "two" or "nobody" */
    char host[64], token[64], url[64];
};

static void read_pem(const char *name, char ret[PEM_MAX])
{
    char recording[64];
    struct buf pem;

    snprintf(recording, sizeof(recording), "../kube/%s", name);
    recording_read(recording, &pem);
    assert_true(pem.len < PEM_MAX);
    memcpy(ret, pem.at, pem.len + 1);
    buf_done(&pem);
}

/* The tests are linked with GnuTLS only through libmicrohttpd. */
static const gnutls_datum_t *peer_of(gnutls_session_t session)
{
    const gnutls_datum_t *(*get_peers)(gnutls_session_t, unsigned *) = NULL;
    unsigned n = 0;

    *(void **)&get_peers = dlsym(RTLD_DEFAULT, "gnutls_certificate_get_peers");
    assert_non_null(get_peers);
    return get_peers(session, &n);
}

static enum MHD_Result on_request(void *self, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    struct server *server = self;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const gnutls_datum_t *peer = peer_of((gnutls_session_t)info->tls_session);
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
    const char *token = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    struct MHD_Response *response;
    enum MHD_Result result;

    (void)method, (void)version, (void)upload, (void)upload_size, (void)state;
    snprintf(server->url, sizeof(server->url), "%s", url);
    snprintf(server->host, sizeof(server->host), "%s", host ? host : "");
    snprintf(server->token, sizeof(server->token), "%s", token ? token : "");
    snprintf(server->answer, sizeof(server->answer), "nobody");
    if (peer && memmem(peer->data, peer->size, "client-one", 10))
        snprintf(server->answer, sizeof(server->answer), "one");
    if (peer && memmem(peer->data, peer->size, "client-two", 10))
        snprintf(server->answer, sizeof(server->answer), "two");
    response = MHD_create_response_from_buffer(strlen(server->answer), server->answer,
                                               MHD_RESPMEM_MUST_COPY);
    result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

/* Listens on `port`; 0: on a free port. */
static void server_start(struct server *server, const char *name, int port)
{
    char file[64], certificate[PEM_MAX], key[PEM_MAX], trust[PEM_MAX];

    *server = (struct server){ .port = port };
    snprintf(file, sizeof(file), "%s.crt", name);
    read_pem(file, certificate);
    snprintf(file, sizeof(file), "%s.key", name);
    read_pem(file, key);
    read_pem("ca-old.crt", trust);
    server->daemon = MHD_start_daemon(
        MHD_USE_TLS | MHD_USE_INTERNAL_POLLING_THREAD, (uint16_t)port, NULL, NULL, on_request,
        server, MHD_OPTION_HTTPS_MEM_CERT, certificate, MHD_OPTION_HTTPS_MEM_KEY, key,
        MHD_OPTION_HTTPS_MEM_TRUST, trust, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
    assert_non_null(server->daemon);
    server->port = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

static void server_stop(struct server *server)
{
    MHD_stop_daemon(server->daemon);
}

/* --- the client's side ------------------------------------------------------------------------ */

struct result {
    int status;
    bool ended, complete;
    char body[64], text[600];
};

static void on_answered(void *self, int status, const char *content_type)
{
    (void)content_type;
    ((struct result *)self)->status = status;
}

static int on_received(void *self, struct str bytes)
{
    struct result *result = self;

    snprintf(result->body, sizeof(result->body), "%.*s", STR_ARG(bytes));
    return 0;
}

static void on_ended(void *self, const struct client_end *end)
{
    struct result *result = self;

    result->ended = true;
    result->complete = end->complete;
    snprintf(result->text, sizeof(result->text), "%s", end->text);
}

/* Credentials in files of `dir`, which the tests write. */
struct world {
    char dir[64];
    char server[64];
    const char *path; /* of the server's URL; NULL: none */
    char ca[96], client[96], key[96], token[96];
    struct credentials credentials;
};

static void put(const char *path, const char *name)
{
    char pem[PEM_MAX];
    FILE *file;

    read_pem(name, pem);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(pem, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    struct world *w = test_calloc(1, sizeof(*w));

    snprintf(w->dir, sizeof(w->dir), "/tmp/test_kube_tls.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->ca, sizeof(w->ca), "%s/ca", w->dir);
    snprintf(w->client, sizeof(w->client), "%s/client", w->dir);
    snprintf(w->key, sizeof(w->key), "%s/key", w->dir);
    w->credentials = (struct credentials){ .server = w->server, .ca.file = w->ca };
    put(w->ca, "ca-old.crt");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    unlink(w->ca);
    unlink(w->client);
    unlink(w->key);
    assert_int_equal(rmdir(w->dir), 0);
    test_free(w);
    return 0;
}

static struct client *client_to(struct world *w, int port)
{
    const struct client_config config = { .credentials = &w->credentials, .user_agent = "x" };
    struct client *client = NULL;

    snprintf(w->server, sizeof(w->server), "https://127.0.0.1:%d%s", port, w->path ? w->path : "");
    assert_int_equal(client_new(&config, &client, NULL), 0);
    return client;
}

static void fetch(struct client *client, struct result *result)
{
    const struct client_handler handler = {
        .self = result, .answered = on_answered, .received = on_received, .ended = on_ended
    };

    *result = (struct result){ 0 };
    assert_non_null(client_get(client, STR("/pods"), false, &handler));
    for (int turns = 0; turns < 1000 && !result->ended; turns++)
        client_run(client, 5 * SEC);
    assert_true(result->ended);
}

static void assert_answers(struct client *client, const char *who)
{
    struct result result;

    fetch(client, &result);
    if (!result.complete)
        fail_msg("%s", result.text);
    assert_int_equal(result.status, 200);
    assert_string_equal(result.body, who);
}

static void assert_refuses(struct client *client, const char *why)
{
    struct result result;

    fetch(client, &result);
    assert_false(result.complete);
    assert_int_equal(result.status, 0);
    if (!strstr(result.text, why))
        fail_msg("\"%s\" does not contain \"%s\"", result.text, why);
}

/* --- the tests -------------------------------------------------------------------------------- */

static void changed_ca_file_is_used_at_once_also_for_open_connections(void **state)
{
    struct world *w = *state;
    struct server old, new;
    struct client *client;

    server_start(&old, "server-old", 0);
    client = client_to(w, old.port);
    assert_answers(client, "nobody");
    put(w->ca, "ca-new.crt");
    assert_refuses(client, "certificate");

    /* The server has a certificate of the new CA, too. */
    server_stop(&old);
    server_start(&new, "server-new", old.port);
    assert_answers(client, "nobody");
    put(w->ca, "ca-old.crt");
    assert_refuses(client, "certificate");
    client_free(client);
    server_stop(&new);
}

static void changed_client_certificate_is_used_for_the_next_request(void **state)
{
    struct world *w = *state;
    struct server server;
    struct client *client;

    w->credentials.client.file = w->client;
    w->credentials.key.file = w->key;
    put(w->client, "client-one.crt");
    put(w->key, "client-one.key");
    server_start(&server, "server-old", 0);
    client = client_to(w, server.port);
    assert_answers(client, "one");
    assert_answers(client, "one");
    put(w->client, "client-two.crt");
    put(w->key, "client-two.key");
    assert_answers(client, "two");
    unlink(w->key);
    assert_refuses(client, "open the client's key '");
    client_free(client);
    server_stop(&server);
}

static void certificates_can_be_data(void **state)
{
    struct world *w = *state;
    char ca[PEM_MAX], certificate[PEM_MAX], key[PEM_MAX];
    struct server server;
    struct client *client;

    read_pem("ca-old.crt", ca);
    read_pem("client-one.crt", certificate);
    read_pem("client-one.key", key);
    w->credentials.ca = (struct credential){ .data = ca, .len = strlen(ca) };
    w->credentials.client = (struct credential){ .data = certificate, .len = strlen(certificate) };
    w->credentials.key = (struct credential){ .data = key, .len = strlen(key) };
    w->credentials.token = (struct credential){ .data = (char *)"secret", .len = 6 };
    server_start(&server, "server-old", 0);
    client = client_to(w, server.port);
    assert_answers(client, "one");
    assert_string_equal(server.token, "Bearer secret");
    client_free(client);
    server_stop(&server);
}

static void tls_server_name_replaces_the_host_of_the_url(void **state)
{
    struct world *w = *state;
    struct server server;
    struct client *client;

    server_start(&server, "server-named", 0);
    client = client_to(w, server.port);
    assert_refuses(client, "127.0.0.1");
    client_free(client);

    w->credentials.tls_server_name = (char *)"api.test";
    client = client_to(w, server.port);
    assert_answers(client, "nobody");
    assert_string_equal(server.host, w->server + strlen("https://"));
    client_free(client);

    w->credentials.tls_server_name = (char *)"other.test";
    client = client_to(w, server.port);
    assert_refuses(client, "other.test");
    client_free(client);
    server_stop(&server);
}

/* Rancher serves its clusters under a path. */
static void path_of_the_server_is_kept(void **state)
{
    struct world *w = *state;
    struct server server;
    struct client *client;
    char host[64];

    server_start(&server, "server-named", 0);
    snprintf(host, sizeof(host), "127.0.0.1:%d", server.port);
    w->path = "/k8s/clusters/c-x";
    w->credentials.tls_server_name = (char *)"api.test";
    client = client_to(w, server.port);
    assert_answers(client, "nobody");
    assert_string_equal(server.url, "/k8s/clusters/c-x/pods");
    assert_string_equal(server.host, host);
    client_free(client);
    server_stop(&server);

    w->credentials.tls_server_name = NULL;
    server_start(&server, "server-old", 0);
    client = client_to(w, server.port);
    assert_answers(client, "nobody");
    assert_string_equal(server.url, "/k8s/clusters/c-x/pods");
    client_free(client);
    server_stop(&server);
}

static void put_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void failed_handshake_names_the_file(void **state)
{
    static const char empty[] = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    struct world *w = *state;
    struct server server;
    struct client *client;

    server_start(&server, "server-old", 0);
    client = client_to(w, server.port);
    put_text(w->ca, empty);
    assert_refuses(client, "is damaged: certificate 1: ");
    assert_refuses(client, w->ca);
    put(w->ca, "ca-new.crt");
    assert_refuses(client, "it is not signed by a CA certificate in '");
    assert_refuses(client, w->ca);

    put(w->ca, "ca-old.crt");
    w->credentials.client.file = w->client;
    w->credentials.key.file = w->key;
    put_text(w->client, empty);
    put(w->key, "client-one.key");
    assert_refuses(client, w->client);
    put(w->client, "client-two.crt"); /* of another key */
    assert_refuses(client, w->key);
    client_free(client);
    server_stop(&server);
}

static void certificate_is_verified_unless_insecure(void **state)
{
    struct world *w = *state;
    struct server server;
    struct client *client;

    w->credentials.ca.file = NULL;
    server_start(&server, "server-named", 0);
    client = client_to(w, server.port);
    assert_refuses(client, "certificate");
    client_free(client);
    w->credentials.insecure = true;
    client = client_to(w, server.port);
    assert_answers(client, "nobody");
    client_free(client);
    server_stop(&server);
}

#define TLS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(changed_ca_file_is_used_at_once_also_for_open_connections),
        TLS_TEST(changed_client_certificate_is_used_for_the_next_request),
        TLS_TEST(certificates_can_be_data),
        TLS_TEST(tls_server_name_replaces_the_host_of_the_url),
        TLS_TEST(path_of_the_server_is_kept),
        TLS_TEST(failed_handshake_names_the_file),
        TLS_TEST(certificate_is_verified_unless_insecure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
