/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/quirks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "util.h"

static void runtimes_differ_by_name_and_version(void **state)
{
    static const struct {
        struct runtime_fact runtime;
        bool content_service, ingest_before_slot, image_fs_is_metadata;
    } rows[] = {
        { { STR("containerd"), STR("1.6.20~ds1"), false }, true, false, false },
        { { STR("containerd"), STR("1.7.24~ds1"), false }, true, false, false },
        { { STR("containerd"), STR("2.1.9+unknown"), false }, true, true, false },
        { { STR("containerd"), STR("v1.7.11-k3s2"), false }, true, false, false },
        { { STR("containerd"), STR("v2.0.0-rc.1"), false }, true, false, false },
        { { STR("containerd"), STR("10.0"), false }, true, true, false },
        { { STR("containerd"), STR("1.6"), false }, true, false, false },
        { { STR("containerd"), STR("1.5.18"), false }, false, false, false },
        { { STR("containerd"), STR("v1.5"), false }, false, false, false },
        { { STR("containerd"), STR("1"), false }, true, true, false },
        { { STR("containerd"), STR("1."), false }, true, true, false },
        { { STR("containerd"), STR(""), false }, true, true, false },
        { { STR("containerd"), STR("0e1fe7492b9d.m"), false }, true, true, false }, /* a commit */
        { { STR("containerd"), STR("99999999999999999999.99999999999999999999"), false },
          true,
          true,
          false },
        { { STR("containerd"), STR("\xff\0."), false }, true, true, false },
        { { STR("cri-o"), STR("1.37.0"), false }, false, false, true },
        { { STR("cri-o"), STR(""), false }, false, false, true },
        { { STR("docker"), STR("27.1.1"), false }, false, false, false },
        { { STR("containerd\0"), STR("1.7"), false }, false, false, false },
        { { STR(""), STR(""), false }, false, false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct quirks quirks = quirks_of(&rows[i].runtime);

        if (quirks.content_service != rows[i].content_service ||
            quirks.ingest_before_slot != rows[i].ingest_before_slot ||
            quirks.image_fs_is_metadata != rows[i].image_fs_is_metadata)
            fail_msg("row %zu: %.*s %.*s", i, STR_ARG(rows[i].runtime.name),
                     STR_ARG(rows[i].runtime.version));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runtimes_differ_by_name_and_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
