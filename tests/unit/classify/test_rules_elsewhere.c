/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/classify/message.h"
#include "tests/unit/classify/wordings.h"
#include "util.h"

static void other_failures_of_a_pod_are_not_a_pull(void **state)
{
    static const struct wording wordings[] = {
        { "Readiness probe failed: Get \"http://10.1.2.3:8080/healthz\": dial tcp 10.1.2.3:8080: "
          "connect: connection refused",
          REASON_NOT_A_PULL },
        { "MountVolume.SetUp failed for volume \"certs\" : secret \"tls\" not found",
          REASON_NOT_A_PULL },
        { "0/3 nodes are available: 3 Insufficient cpu.", REASON_NOT_A_PULL },
        { "pods \"web-0\" is forbidden: exceeded quota: compute, requested: cpu=2, used: cpu=8",
          REASON_NOT_A_PULL },
        { "pods is forbidden: User \"system:node:n1\" cannot list resource \"pods\"",
          REASON_NOT_A_PULL },
        { "back-off 5m0s restarting failed container=app pod=web-0_shop(1)", REASON_UNCLASSIFIED },
        { "Failed to create pod sandbox: rpc error: code = DeadlineExceeded desc = context "
          "deadline "
          "exceeded",
          REASON_NOT_A_PULL },
        { "Failed to create pod sandbox: failed to get sandbox image \"a\": failed to pull image "
          "\"a\": context deadline exceeded",
          REASON_DEADLINE },
        { "Failed to create pod sandbox: rpc error: code = DeadlineExceeded desc = timed out "
          "connecting to hybrid vsocket hvsock:/run/vc/root/kata.hvsock",
          REASON_UNCLASSIFIED },
        { "Failed to create pod sandbox: rpc error: code = Unknown desc = dial tcp 10.96.0.1:443: "
          "connect: connection refused",
          REASON_UNCLASSIFIED },
        { "Failed to create pod sandbox: rpc error: code = DeadlineExceeded desc = something",
          REASON_UNCLASSIFIED },
        { "FailedCreatePodSandBox plugin type=\"aws-cni\" name=\"aws-cni\" failed (add): failed to "
          "assign an IP address to container",
          REASON_NOT_A_PULL },
        { "Back-off restarting failed container app in pod web-0_shop(1)", REASON_NOT_A_PULL },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void a_container_that_cannot_be_created_is_not_a_pull(void **state)
{
    static const struct wording wordings[] = {
        { "failed to create containerd task: failed to create shim task: OCI runtime create "
          "failed: runc create failed: unable to start container process: exec: \"run\": "
          "executable file not found in $PATH: unknown",
          REASON_NOT_A_PULL },
        { "failed to create containerd task: cgroup: no such file or directory",
          REASON_NOT_A_PULL },
        { "crun: executable file `run` not found in $PATH: No such file or directory: OCI runtime "
          "attempted to invoke a command that was not found",
          REASON_NOT_A_PULL },
        { "failed to get sandbox container task: no running task found: task 1 not found: not "
          "found",
          REASON_NOT_A_PULL },
        { "rpc error: code = NotFound desc = failed to create containerd container: lease 12: not "
          "found",
          REASON_NOT_A_PULL },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

/* Confidential containers pull inside the guest, when the container is created. */
static void a_pull_while_a_container_is_created_is_a_pull(void **state)
{
    static const struct wording wordings[] = {
        { "failed to create containerd task: failed to create shim task: failed to pull image "
          "\"r.example.com/a:v1\": not found",
          REASON_IMAGE_NOT_FOUND },
        { "failed to create containerd task: failed to create shim task: failed to pull manifest "
          "Not authorized: url https://r.example.com/v2/a/manifests/v1",
          REASON_FORBIDDEN },
        { "failed to create containerd container: error unpacking image: failed to extract layer "
          "sha256:1: something nobody knows",
          REASON_UNPACK_FAILED },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

/* Everything can be "not found", and everything can fail with "Internal". */
static void general_words_decide_only_in_a_text_about_an_image(void **state)
{
    static const struct wording wordings[] = {
        { "unable to upgrade connection: container not found (\"helper\")", REASON_UNCLASSIFIED },
        { "rpc error: code = NotFound desc = volume 12 not found", REASON_UNCLASSIFIED },
        { "rpc error: code = Internal desc = something nobody knows", REASON_UNCLASSIFIED },
        { "the server could not find the requested resource: it does not exist",
          REASON_UNCLASSIFIED },
        { "open /etc/app.yaml: no such file or directory", REASON_UNCLASSIFIED },
        { "MountVolume.MountDevice failed for volume \"pvc-1\" : rpc error: code = Internal desc = "
          "nsenter: cannot open /proc/2124/ns/mnt: No such file or directory",
          REASON_NOT_A_PULL },
        { "MountVolume.SetUp failed for volume \"pvc-1\" : rpc error: code = NotFound desc = "
          "volume "
          "pvc-1 not found",
          REASON_NOT_A_PULL },

        { "Volume.SetUp failed for volume \"config\" : timed out waiting for the condition",
          REASON_NOT_A_PULL },
        { "Error from server (Forbidden): Forbidden (user=kubernetes, verb=get, resource=nodes)",
          REASON_NOT_A_PULL },
        { "waiting for addon pods: timed out waiting for the condition", REASON_UNCLASSIFIED },
        { "Get \"https://node-1:10250/containerLogs/shop/web-0/app\": dial tcp: lookup node-1 on "
          "192.0.2.1:53: no such host",
          REASON_UNCLASSIFIED },
        { "Patch webhook failed: Get https://10.96.0.1:443/apis/apps/v1/deployments: dial tcp "
          "10.96.0.1:443: i/o timeout",
          REASON_UNCLASSIFIED },
        { "cannot connect to the database at redis://192.0.2.1:6379 (Connection refused)",
          REASON_UNCLASSIFIED },
        { "sh: /app/run: Permission denied", REASON_UNCLASSIFIED },
        { "stderr: chown app:app /home/app: exit status 1", REASON_UNCLASSIFIED },

        { "Error syncing pod, skipping: failed to \"PrepareDynamicResources\" for \"web-0\" with "
          "PrepareDynamicResourcesError: \"rpc error: code = Internal desc = wait for storage: "
          "context "
          "deadline exceeded\"",
          REASON_NOT_A_PULL },

        { "Get \"https://r.example.com/v2/\": context deadline exceeded", REASON_DEADLINE },
        { "Get https://auth.example.com/token?service=r.example.com: dial tcp 192.0.2.1:443: "
          "connect: "
          "connection refused",
          REASON_CONNECT_REFUSED },
        { "dial tcp: lookup r.example.com: no such host", REASON_DNS_NOT_FOUND },
        { "Failed to pull image \"r.example.com/a:v1\": Get \"https://cdn.example.com/x\": dial "
          "tcp "
          "192.0.2.1:443: i/o timeout",
          REASON_CONNECT_TIMEOUT },
        { "Failed to pull image \"r.example.com/a:v1\": rpc error: code = Internal desc = "
          "something "
          "nobody knows",
          REASON_RUNTIME_ERROR },
        { "ErrImagePull: not found", REASON_IMAGE_NOT_FOUND },
        { "CannotPullContainerError: not found", REASON_IMAGE_NOT_FOUND },
        { "level=fatal msg=\"pulling image: not found\"", REASON_IMAGE_NOT_FOUND },
        { "PullImage fails: rpc error: code = Internal desc = something nobody knows",
          REASON_RUNTIME_ERROR },
        { "failed to resolve \"r.example.com/a:v1\": not found", REASON_IMAGE_NOT_FOUND },
        { "Error: No such image: a:v1", REASON_IMAGE_NOT_FOUND },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void words_of_other_failures_do_not_hide_a_failed_pull(void **state)
{
    static const struct wording wordings[] = {
        { "Warning BackOff Back-off restarting failed container\nWarning Failed Failed to pull "
          "image \"r.example.com/a:v1\": manifest unknown",
          REASON_MANIFEST_UNKNOWN },
        { "Failed to pull image \"r.example.com/a:v1\": manifest unknown\nReadiness probe failed: "
          "x",
          REASON_MANIFEST_UNKNOWN },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

/* The agent asks only about what the kubelet calls a failed pull. */
static void with_a_reason_of_the_kubelet_it_is_about_a_pull(void **state)
{
    static struct message message;

    (void)state;
    normalise(STR("ErrImagePull"), STR("Readiness probe failed"), &message);
    assert_int_equal(classify(&message).reason, REASON_UNCLASSIFIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_failures_of_a_pod_are_not_a_pull),
        cmocka_unit_test(a_container_that_cannot_be_created_is_not_a_pull),
        cmocka_unit_test(a_pull_while_a_container_is_created_is_a_pull),
        cmocka_unit_test(general_words_decide_only_in_a_text_about_an_image),
        cmocka_unit_test(words_of_other_failures_do_not_hide_a_failed_pull),
        cmocka_unit_test(with_a_reason_of_the_kubelet_it_is_about_a_pull),
    };

    return cmocka_run_group_tests_name("rules_elsewhere", tests, NULL, NULL);
}
