/* SPDX-License-Identifier: Apache-2.0 */

/* Containers and sandboxes that could not be created or started: which of them miss their image. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/classify/message.h"
#include "util.h"

#define SHIM "failed to create containerd task: failed to create shim task: "

/* REASON_MAX: not about an image. */
static const struct {
    const char *text;
    enum reason reason;
} rows[] = {
    /* virtual machines that pull images themselves */
    { SHIM "failed to pull manifest Not authorized: url https://icr.io/v2/a/alpine/manifests/3.18",
      REASON_FORBIDDEN },
    { SHIM "failed to handle layer: failed to get decrypt key missing private key needed for "
           "decryption",
      REASON_DECRYPTION_KEY_MISSING },
    { SHIM "rpc status: Status { code: INTERNAL, message: \"[CDH] [ERROR]: Image Pull error: "
           "Failed to pull image ghcr.io/a/b:c from all mirror/mapping locations or original "
           "location: image: ghcr.io/a/b:c , error: Errors happened when pulling image: Failed to "
           "decode layer data stream: Failed to unpack layer: Failed to set permissions\" }",
      REASON_UNPACK_FAILED },
    { "failed to pull checkpoint base image registry.example.com/a/b@sha256:"
      "4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce: failed to resolve "
      "reference: failed to authorize: failed to fetch anonymous token: unexpected status from "
      "GET request to https://example.com/jwt/auth: 403 Forbidden",
      REASON_NO_CREDENTIALS },
    /* the image is gone again, or was never complete */
    { "creating container storage: image not known", REASON_IMAGE_LOST },
    { "image \"5f5eee2\" does not resolve to an image ID", REASON_IMAGE_LOST },
    { "failed to resolve image \"sha256:aa\": not found", REASON_IMAGE_LOST },
    { "failed to create containerd container: error unpacking image: failed to extract layer "
      "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08: failed to get "
      "reader from content store: content digest sha256:"
      "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752: not found",
      REASON_IMAGE_LOST },
    { "failed to create containerd container: error unpacking image: apply layer error for "
      "\"r.example.com/a:b\": failed to extract layer sha256:"
      "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08: failed to mount /x: no "
      "such device",
      REASON_UNPACK_FAILED },
    /* nothing of this is about an image */
    { "context deadline exceeded", REASON_MAX },
    { SHIM "context deadline exceeded: unknown", REASON_MAX },
    { SHIM "OCI runtime create failed: runc create failed: unable to start container process: "
           "exec: \"pull\": executable file not found in $PATH: unknown",
      REASON_MAX },
    { SHIM "OCI runtime create failed: runc create failed: error mounting \"/a\" to rootfs at "
           "\"/b\": no such file or directory: unknown",
      REASON_MAX },
    { "failed to reserve container name \"app_web_default_1_0\": name \"app_web_default_1_0\" is "
      "reserved for \"abc\"",
      REASON_MAX },
    { "failed to create containerd task: failed to mount rootfs component: no space left on device",
      REASON_MAX },
    { SHIM "failed to start sandbox: dial unix: connection refused", REASON_MAX },
    { "failed to generate container spec: failed to stat \"/x\": no such file or directory",
      REASON_MAX },
    { "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for "
      "sandbox \"abc\": plugin type=\"calico\" failed (add): error getting ClusterInformation: "
      "connection is unauthorized: Unauthorized",
      REASON_MAX },
};

static void only_errors_about_an_image_are_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        UNINITIALIZED struct message message;
        struct verdict verdict;
        bool taken;

        normalise(STR(""), str_from(rows[i].text), &message);
        verdict = classify(&message);
        taken = classify_create_error(&message, &verdict);
        if (taken != (rows[i].reason != REASON_MAX) || (taken && verdict.reason != rows[i].reason))
            fail_msg("%s: %s%s", rows[i].text, taken ? "" : "not taken, ",
                     reason_name(verdict.reason));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_errors_about_an_image_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
