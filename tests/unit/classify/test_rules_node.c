/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/classify/wordings.h"
#include "util.h"

static void full_disks_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "write /var/lib/docker/tmp/GetImageBlob1: no space left on device", REASON_DISK_FULL },
        { "failed to extract layer sha256:1: mount callback failed on /tmp/x: write /tmp/x/y: disk "
          "quota exceeded: unknown",
          REASON_DISK_FULL },
        { "failed to register layer: devmapper: Thin Pool has 100 free data blocks which is less "
          "than minimum required 200 free data blocks",
          REASON_DISK_FULL },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void unpack_failures_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "failed to register layer: ApplyLayer exit status 1 stdout:  stderr: lchown /home: "
          "operation not permitted",
          REASON_UNPACK_FAILED },
        { "failed to prepare extraction snapshot \"extract-1 sha256:1\": parent snapshot sha256:2 "
          "does not exist: not found",
          REASON_UNPACK_FAILED },
        { "failed to commit snapshot extract-1 sha256:1: something nobody knows",
          REASON_UNPACK_FAILED },
        { "failed to register layer: re-exec error: exit status 1: output: ProcessBaseLayer "
          "C:\\ProgramData\\Docker\\windowsfilter\\55: The parameter is incorrect.",
          REASON_UNPACK_FAILED },
        { "Failed to decode layer data stream: Failed to unpack layer: Failed to set ownership for "
          "path: /tmp/x",
          REASON_UNPACK_FAILED },
        { "failed to extract layer sha256:1: mount layer type must be erofs-layer: not implemented",
          REASON_UNPACK_FAILED },
        { "failed to register layer: unshare: operation not permitted", REASON_UNPACK_FAILED },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void unavailable_runtimes_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker "
          "daemon running?",
          REASON_RUNTIME_UNAVAILABLE },
        { "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while "
          "dialing: dial unix /run/containerd/containerd.sock: connect: no such file or "
          "directory\"",
          REASON_RUNTIME_UNAVAILABLE },
        { "dial unix /var/run/docker.sock: connect: permission denied",
          REASON_RUNTIME_UNAVAILABLE },
        { "rpc error: code = Unknown desc = server is not initialized yet",
          REASON_RUNTIME_UNAVAILABLE },
        { "rpc error: code = Unimplemented desc = unknown service runtime.v1alpha2.ImageService",
          REASON_RUNTIME_UNAVAILABLE },
        { "rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService",
          REASON_RUNTIME_UNAVAILABLE },
        { "failed to pull image: unknown service containerd.services.leases.v1.Leases: not "
          "implemented",
          REASON_RUNTIME_UNAVAILABLE },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void runtime_errors_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "failed to get reader: content digest sha256:1: not found", REASON_RUNTIME_ERROR },
        { "(HTTP code 500) server error - error creating temporary lease: write "
          "/var/lib/x/meta.db: input/output error",
          REASON_RUNTIME_ERROR },
        { "Error response from daemon: Bad response from Docker engine", REASON_RUNTIME_ERROR },
        { "failed to prepare extraction snapshot \"extract-1\": snapshotter not loaded: naive: "
          "invalid argument",
          REASON_RUNTIME_ERROR },
        { "Failed to inspect image \"\": rpc error: code = Unknown desc = unable to convert a nil "
          "pointer to a runtime API image",
          REASON_RUNTIME_ERROR },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void an_image_that_is_gone_or_encrypted_is_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "reference \"[overlay@/var/lib/containers/storage]r.example.com/a@sha256:1\" does not "
          "resolve to an image ID",
          REASON_IMAGE_LOST },
        { "failed to create containerd container: error unpacking image: failed to extract layer "
          "sha256:1: failed to get reader from content store: content digest sha256:2: not found",
          REASON_IMAGE_LOST },
        { "failed to handle layer: failed to get decrypt key missing private key needed for "
          "decryption",
          REASON_DECRYPTION_KEY_MISSING },
        { "no suitable key unwrapper found or none of the private keys could be used for "
          "decryption",
          REASON_DECRYPTION_KEY_MISSING },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void damaged_disks_and_lazy_snapshotters_fail_to_unpack(void **state)
{
    static const struct wording wordings[] = {
        { "failed to register layer: Error processing tar file(exit status 1): symlink /a /b: "
          "structure needs cleaning",
          REASON_UNPACK_FAILED },
        { "failed to resolve layer \"sha256:1\" from \"r.example.com/a:v1\": failed to get root "
          "node: failed to resolve target\",\"msg\":\"failed to prepare remote snapshot\"",
          REASON_UNPACK_FAILED },
        { "cannot resolve layer: failed to request: failed to fetch oauth token: unexpected "
          "status: 403 Forbidden\",\"msg\":\"failed to prepare remote snapshot\"",
          REASON_FORBIDDEN },
        { "failed to prepare remote snapshot: something nobody knows", REASON_UNPACK_FAILED },
        { "failed to fetch SOCI artifacts: unable to fetch SOCI index: not found",
          REASON_UNPACK_FAILED },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_disks_are_recognised),
        cmocka_unit_test(unpack_failures_are_recognised),
        cmocka_unit_test(unavailable_runtimes_are_recognised),
        cmocka_unit_test(runtime_errors_are_recognised),
        cmocka_unit_test(an_image_that_is_gone_or_encrypted_is_recognised),
        cmocka_unit_test(damaged_disks_and_lazy_snapshotters_fail_to_unpack),
    };

    return cmocka_run_group_tests_name("rules_node", tests, NULL, NULL);
}
