/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/image_ref.h"
#include "agent/classify/party.h"

#define PULL "Failed to pull image \"docker.io/team/app:v1\": "

static struct party find(const char *text)
{
    static struct message message;
    char registry[LIMIT_NAME_TEXT];
    struct verdict verdict;
    struct party party;

    normalise(STR(""), str_from(text), &message);
    verdict = classify(&message);
    image_registry(message.image, registry);
    party_find(&message, &verdict, str_from(message.image.len ? registry : ""), &party);
    return party;
}

static void fails(const char *text, enum role role, const char *host)
{
    struct party party = find(text);

    if (party.role != role || strcmp(party.host, host) != 0)
        fail_msg("%s is the %s of: %s", party.host,
                 party.role < ROLE_MAX ? role_name(party.role) : "nothing", text);
}

static void a_request_names_the_registry_or_a_mirror(void **state)
{
    (void)state;
    fails(PULL
          "failed to do request: Head \"https://registry-1.docker.io/v2/team/app/manifests/v1\": "
          "EOF",
          ROLE_REGISTRY, "registry-1.docker.io");
    fails(PULL "failed to do request: Head "
               "\"https://m.example.com:5000/v2/team/app/manifests/v1?ns=docker.io\": EOF",
          ROLE_MIRROR, "m.example.com:5000");
    fails("failed to do request: Head "
          "\"https://m.example.com/v2/team/app/manifests/v1?ns=docker.io\": "
          "EOF",
          ROLE_MIRROR, "m.example.com");
    fails("unexpected status from HEAD request to https://r.example.com/v2/a/manifests/1: 502 Bad "
          "Gateway",
          ROLE_REGISTRY, "r.example.com");
    fails("pulling from host m.example.com failed with status code [manifests v1]: 403 Forbidden",
          ROLE_REGISTRY, "m.example.com");
}

static void tokens_and_layers_come_from_other_hosts(void **state)
{
    (void)state;
    fails(PULL
          "failed to authorize: failed to fetch anonymous token: Get "
          "\"https://auth.docker.io/token?scope=repository%3Ateam%2Fapp%3Apull&service=r\": EOF",
          ROLE_TOKEN_SERVER, "auth.docker.io");
    fails(PULL "Get https://registry-1.docker.io/v2/team/app/manifests/v1: Get "
               "https://auth.docker.io/token?scope=repository: net/http: TLS handshake timeout",
          ROLE_TOKEN_SERVER, "auth.docker.io");
    fails(PULL "failed to copy: httpReadSeeker: failed open: failed to do request: Get "
               "\"https://cdn.example.com/ab/data?verify=1\": EOF",
          ROLE_BLOB_HOST, "cdn.example.com");
    fails(PULL "failed to copy: httpReadSeeker: failed open: failed to do request: Get "
               "\"https://registry-1.docker.io/v2/team/app/blobs/sha256:1\": EOF",
          ROLE_REGISTRY, "registry-1.docker.io");
}

static void a_url_before_a_cut_status_counts(void **state)
{
    (void)state;
    fails("failed to fetch oauth token: unexpected status from GET request to "
          "https://auth.example.com/jwt/auth?scope=a<name>: 403 Forbidden",
          ROLE_TOKEN_SERVER, "auth.example.com");
}

static void proxies_and_name_servers_fail_themselves(void **state)
{
    (void)state;
    fails(PULL "failed to do request: Head \"https://registry-1.docker.io/v2/a/manifests/v1\": "
               "proxyconnect tcp: dial tcp 192.0.2.3:3128: connect: connection refused",
          ROLE_PROXY, "192.0.2.3:3128");
    fails(PULL
          "failed to do request: Head \"https://registry-1.docker.io/v2/a/manifests/v1\": "
          "proxyconnect tcp: dial tcp: lookup proxy.example.com on 192.0.2.53:53: no such host",
          ROLE_PROXY, "proxy.example.com");
    fails("Get \"https://nvcr.io/v2/\": Method Not Allowed", ROLE_PROXY, "");
    fails("Get \"https://r.example.com/v2/\": dial tcp: lookup r.example.com on 192.0.2.53:53: "
          "server "
          "misbehaving",
          ROLE_DNS, "192.0.2.53:53");
    fails("Get \"https://r.example.com/v2/\": dial tcp: lookup r.example.com: Try again", ROLE_DNS,
          "");
    fails("Get \"https://r.example.com/v2/\": dial tcp: lookup r.example.com on 192.0.2.53:53: no "
          "such "
          "host",
          ROLE_REGISTRY, "r.example.com");
}

static void crio_names_the_registry_that_it_asked(void **state)
{
    (void)state;
    fails("initializing source docker://busybox:latest: reading manifest latest in "
          "registry.access.redhat.com/busybox: name unknown: Repo not found",
          ROLE_REGISTRY, "registry.access.redhat.com");
    fails("initializing source docker://r.example.com/a:1: pinging container registry "
          "m.example.com: StatusCode: 503",
          ROLE_MIRROR, "m.example.com");
    fails(
        "initializing source docker://r.example.com/a:1: (Mirrors also failed: [m.example.com/a:1: "
        "reading manifest 1 in m.example.com/a: manifest unknown]): r.example.com/a:1: pinging "
        "container registry r.example.com: Get \"https://r.example.com/v2/\": dial tcp "
        "192.0.2.1:443: i/o timeout",
        ROLE_MIRROR, "m.example.com");
}

static void a_text_without_a_host_names_nobody(void **state)
{
    (void)state;
    fails("toomanyrequests: You have reached your pull rate limit. "
          "https://www.docker.com/increase-rate-limit",
          ROLE_MAX, "");
    fails("denied: client with IP is not allowed access. Refer https://aka.ms/acr/firewall",
          ROLE_MAX, "");
    fails("no space left on device", ROLE_MAX, "");
    fails(PULL
          "failed to do request: Head \"https://registry-1.docker.io/v2/a/manifests/v1\": context "
          "canceled",
          ROLE_MAX, "");
    fails("", ROLE_MAX, "");
}

static void a_broken_configuration_has_a_file(void **state)
{
    struct party party = find("open /etc/containers/policy.json: no such file or directory");

    (void)state;
    assert_true(str_eq(party.file, STR("/etc/containers/policy.json")));
    assert_int_equal(party.role, ROLE_MAX);
    party = find("failed to decode hosts.toml: toml: line 3: expected value");
    assert_true(str_eq(party.file, STR("hosts.toml")));
    party = find("loading registries configuration \"/etc/containers/registries.conf\": toml: x");
    assert_true(str_eq(party.file, STR("/etc/containers/registries.conf")));
    assert_int_equal(find("open /var/lib/x: no such file or directory").file.len, 0);
}

/* A tenant chooses the host: it is cut, not written past the end. */
static void a_very_long_host_is_cut(void **state)
{
    static char text[4096];
    struct party party;

    (void)state;
    strcpy(text, "Get \"https://");
    memset(text + strlen(text), 'a', 3000);
    strcat(text, ".example.com/v2/\": dial tcp 192.0.2.1:443: connect: connection refused");
    party = find(text);
    assert_int_equal(strlen(party.host), LIMIT_NAME_TEXT - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_names_the_registry_or_a_mirror),
        cmocka_unit_test(tokens_and_layers_come_from_other_hosts),
        cmocka_unit_test(a_url_before_a_cut_status_counts),
        cmocka_unit_test(proxies_and_name_servers_fail_themselves),
        cmocka_unit_test(crio_names_the_registry_that_it_asked),
        cmocka_unit_test(a_text_without_a_host_names_nobody),
        cmocka_unit_test(a_broken_configuration_has_a_file),
        cmocka_unit_test(a_very_long_host_is_cut),
    };

    return cmocka_run_group_tests_name("party", tests, NULL, NULL);
}
