/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a kubeconfig: either they are refused, or the credentials are valid: a normal URL,
 * at most one source of each credential, none sent to another machine in the clear, and a route.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/kube/http/auth.h"
#include "agent/kube/http/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Data is checked as at the start of the agent. Files are not opened. */
static void check_credential(const struct credential *credential, enum credential_kind kind)
{
    struct err err = ERR_INIT;
    struct buf bytes;

    must(!credential->file || !credential->data);
    if (!credential->data)
        return;
    if (credential_load(credential, kind, &bytes, &err) < 0)
        must(err.code < 0 && err.text[0]);
    credential_forget(&bytes);
}

static void check(struct credentials *credentials)
{
    struct auth_route route;
    const char *server = credentials->server;

    must(server && (starts(server, "https://") || starts(server, "http://")));
    must(server[strlen(server) - 1] != '/' && !strpbrk(server, "?#"));
    must(!memchr(strstr(server, "://") + 3, '@', strcspn(strstr(server, "://") + 3, "/")));
    must(auth_route_init(&route, credentials, NULL) == 0);
    must(route.base[strlen(route.base) - 1] != '/' && !strpbrk(route.base, "\r\n"));
    must(!route.host || !strpbrk(route.host, "\r\n"));
    auth_route_done(&route);
    check_credential(&credentials->ca, CREDENTIAL_CA);
    check_credential(&credentials->token, CREDENTIAL_TOKEN);
    check_credential(&credentials->client, CREDENTIAL_CLIENT);
    check_credential(&credentials->key, CREDENTIAL_KEY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = { .at = (const char *)data, .len = size };
    struct credentials credentials;
    struct err err = ERR_INIT;

    if (kubeconfig_parse(text, "/etc/kubeconfig", NULL, &credentials, &err) == 0) {
        check(&credentials);
        credentials_done(&credentials);
    } else {
        must(err.code < 0 && err.text[0]);
    }
    return 0;
}
