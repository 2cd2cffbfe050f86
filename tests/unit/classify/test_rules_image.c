/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/classify/wordings.h"
#include "util.h"

static void platform_mismatches_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "rpc error: code = NotFound desc = failed to pull and unpack image \"a:b\": no match for "
          "platform in manifest: not found",
          REASON_PLATFORM_MISMATCH },
        { "no matching manifest for linux/arm64/v8 in the manifest list entries",
          REASON_PLATFORM_MISMATCH },
        { "CannotPullContainerError: image Manifest does not contain descriptor matching platform "
          "'linux/amd64'",
          REASON_PLATFORM_MISMATCH },
        { "The requested image's platform (linux/amd64) does not match the detected host platform "
          "(linux/arm64/v8) and no specific platform was requested",
          REASON_PLATFORM_MISMATCH },
        { "Image operating system mismatch: image uses OS \"windows\"+architecture \"amd64\"+\"\", "
          "expecting one of \"linux+amd64\"",
          REASON_PLATFORM_MISMATCH },
        { "a Windows version 10.0.20348-based image is incompatible with a 10.0.17763 host",
          REASON_PLATFORM_MISMATCH },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void digest_mismatches_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "failed commit on ref \"layer-sha256:1\": unexpected commit digest sha256:2, expected "
          "sha256:1: failed precondition",
          REASON_DIGEST_MISMATCH },
        { "failed size validation: 3661 != 2856: failed precondition", REASON_DIGEST_MISMATCH },
        { "filesystem layer verification failed for digest sha256:1", REASON_DIGEST_MISMATCH },
        { "image config verification failed for digest sha256:1", REASON_DIGEST_MISMATCH },
        { "failed to unpack layer: compressed digests did not match", REASON_DIGEST_MISMATCH },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void damaged_layers_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "failed to extract layer sha256:1: mount callback failed on /tmp/x: archive/tar: invalid "
          "tar header: unknown",
          REASON_CORRUPT_LAYER },
        { "failed to register layer: exit status 1: unpigz: skipping: <stdin>: corrupted -- crc32 "
          "mismatch",
          REASON_CORRUPT_LAYER },
        { "failed to extract layer sha256:1: gzip: invalid header: unknown", REASON_CORRUPT_LAYER },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void unsupported_manifests_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "not implemented: media type "
          "\"application/vnd.docker.distribution.manifest.v1+prettyjws\" is no longer supported "
          "since containerd v2.1, please rebuild the image",
          REASON_UNSUPPORTED_MANIFEST },
        { "Error response from daemon: application/vnd.docker.distribution.manifest.v1+prettyjws "
          "not supported",
          REASON_UNSUPPORTED_MANIFEST },
        { "encountered unknown type application/vnd.cncf.helm.config.v1+json; children may not be "
          "fetched",
          REASON_UNSUPPORTED_MANIFEST },
        { "Error response from daemon: target is unknown", REASON_UNSUPPORTED_MANIFEST },
        { "unexpected media type text/html for sha256:1: not found", REASON_MALFORMED_RESPONSE },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(platform_mismatches_are_recognised),
        cmocka_unit_test(digest_mismatches_are_recognised),
        cmocka_unit_test(damaged_layers_are_recognised),
        cmocka_unit_test(unsupported_manifests_are_recognised),
    };

    return cmocka_run_group_tests_name("rules_image", tests, NULL, NULL);
}
