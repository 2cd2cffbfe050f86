/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/classify/named.h"

static void names(const char *text, const char *image, const char *registry)
{
    static struct message message;
    struct verdict verdict;
    struct named named;

    normalise(STR(""), str_from(text), &message);
    verdict = classify(&message);
    named_find(&message, &verdict, &named);
    if (strcmp(named.image, image) != 0 || strcmp(named.registry, registry) != 0)
        fail_msg("\"%s\" of \"%s\" in: %s", named.image, named.registry, text);
}

static void a_requested_url_names_image_and_registry(void **state)
{
    (void)state;
    names("Head \"https://r.example.com/v2/team/app/manifests/v1\": EOF",
          "r.example.com/team/app:v1", "r.example.com");
    names("Get \"https://r.example.com/v2/team/app/manifests/sha256:12\": EOF",
          "r.example.com/team/app@sha256:12", "r.example.com");
    names("Get \"https://r.example.com/v2/team/app/blobs/sha256:12\": EOF",
          "r.example.com/team/app", "r.example.com");
    names("Head \"https://m.example.com/v2/a/b/manifests/1?ns=r.example.com\": EOF",
          "r.example.com/a/b:1", "r.example.com");
    names("Get \"https://registry-1.docker.io/v2/\": EOF", "", "docker.io");
    names(
        "unexpected status from GET request to "
        "https://ghcr.io/token?scope=repository%3Ateam%2Fapp%3Apull&service=ghcr.io: 403 Forbidden",
        "ghcr.io/team/app", "ghcr.io");
    names("Reading blob body from https://r.example.com/v2/a/b/blobs/sha256:1 failed (unexpected "
          "EOF)",
          "r.example.com/a/b", "r.example.com");
    names("error msg=\"r.example.com/v2/a/b/manifests/1.6.13: skipping (404)\"",
          "r.example.com/a/b:1.6.13", "r.example.com");
    names("Get https://r.example.com/v2/: Get https://192.0.2.3/service/token?service=harbor: EOF",
          "", "r.example.com");
    names("Get \"https://cdn.example.com/ghcr1/blobs/sha256:12?se=1\": EOF", "", "");
}

static void a_text_that_reads_like_an_image_is_one(void **state)
{
    (void)state;
    names("**ImagePullBackOff** for `ghcr.io/team/app:v1`: manifest unknown", "ghcr.io/team/app:v1",
          "ghcr.io");
    names("<code>quay.io/team/app</code> manifest unknown", "quay.io/team/app", "quay.io");
    names("pull access denied for team/app, repository does not exist", "team/app", "docker.io");
    names("latest: Pulling from team/app\nmanifest unknown", "team/app", "docker.io");
    names("ghcr.io/... denied", "", "ghcr.io");
    names("open /var/lib/r.example.com/a:1: input/output error", "", "");
    names("see github.com/team/app for more: denied", "", "");
    names("net/http: TLS handshake timeout", "", "");
    names("", "", "");
}

static void the_kubelets_image_comes_first(void **state)
{
    (void)state;
    names("Failed to pull image \"team/app:v1\": Head "
          "\"https://registry-1.docker.io/v2/x/manifests/1\": EOF",
          "team/app:v1", "docker.io");
    names("Failed to pull image \"a b\": denied", "a b", "invalid");
    names("Failed to pull image \"registry.redhat.io/...\": unauthorized", "registry.redhat.io/...",
          "registry.redhat.io");
}

static void a_short_name_has_the_registry_that_was_asked(void **state)
{
    (void)state;
    names("initializing source docker://busybox:latest: reading manifest latest in "
          "quay.io/busybox: manifest unknown",
          "busybox:latest", "quay.io");
    names("initializing source docker://r.example.com/a:1: reading manifest 1 in "
          "m.example.com/a: manifest unknown",
          "r.example.com/a:1", "r.example.com");
    names("Failed to pull image \"busybox\": manifest unknown", "busybox", "docker.io");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_requested_url_names_image_and_registry),
        cmocka_unit_test(a_text_that_reads_like_an_image_is_one),
        cmocka_unit_test(the_kubelets_image_comes_first),
        cmocka_unit_test(a_short_name_has_the_registry_that_was_asked),
    };

    return cmocka_run_group_tests_name("named", tests, NULL, NULL);
}
