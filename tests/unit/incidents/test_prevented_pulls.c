/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What goes wrong before a pull: a pull Secret that the kubelet cannot read, a full disk where it
 * records the pull. Kubelets since 1.33 put the text of the error where a reason should be.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define NOT_BASE64 "illegal base64 data at input byte 4"
#define NO_SPACE                                                                                   \
    "failed to record image pull intent: open /var/lib/kubelet/image_manager/pulling/.tmp123: no " \
    "space left on device"

static void observe_prevented(struct world *w, const char *text)
{
    observe_waiting(w, "web-0", text, text);
}

static void expect(struct world *w, enum reason reason, uint64_t attempts)
{
    const struct snapshot_incident *incident;
    struct snapshot snapshot;

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->verdict.reason, reason);
    assert_int_equal(incident->attempts, attempts);
    snapshot_done(&snapshot);
}

static void pull_secret_that_cannot_be_read_blocks_the_container(void **state)
{
    const struct snapshot_incident *incident;
    struct world *w = *state;
    struct snapshot snapshot;

    observe_prevented(w, NOT_BASE64);

    world_snapshot(w, &snapshot);
    incident = incident_of(&snapshot, "web-0");
    assert_int_equal(incident->state, INCIDENT_FAILING);
    assert_int_equal(incident->verdict.cause, CAUSE_CONFIG);
    assert_int_equal(incident->verdict.reason, REASON_PULL_SECRET_MALFORMED);
    assert_int_equal(incident->verdict.stage, STAGE_LOCAL);
    assert_string_equal(incident->message, NOT_BASE64);
    assert_string_equal(incident->evidence[0].reason, "Error");
    assert_string_equal(incident->evidence[0].text, NOT_BASE64);
    assert_int_equal(incident->next_retry_us, 0);
    assert_int_equal(attempts_of(&snapshot, REGISTRY), 0); /* nothing was pulled */
    snapshot_done(&snapshot);
}

/* No registry was asked, although its answers can be malformed in the same words. */
static void pull_secret_of_the_wrong_shape_is_not_the_registrys_fault(void **state)
{
    struct world *w = *state;

    observe_prevented(w, "json: cannot unmarshal string into Go struct field "
                         "DockerConfigJSON.auths of type credentialprovider.DockerConfig");
    expect(w, REASON_PULL_SECRET_MALFORMED, 1);
}

static void disk_that_is_full_before_the_pull_is_named(void **state)
{
    struct world *w = *state;

    observe_prevented(w, NO_SPACE);
    expect(w, REASON_DISK_FULL, 1);
}

static void error_that_no_rule_knows_blocks_the_container_too(void **state)
{
    struct world *w = *state;

    observe_prevented(w, "the frobnicator is out of order");
    expect(w, REASON_UNCLASSIFIED, 1);
}

static void word_of_kubernetes_that_is_unknown_is_no_error(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ContainerWillBeCreatedSoon", "wait a moment");
    assert_int_equal(count_incidents(w, "web-0"), 0);
}

static void container_that_is_prevented_from_pulling_is_not_in_progress(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_pulling(w, "web-0");
    observe_prevented(w, NOT_BASE64);
    observe_image(w, IMAGE, false);
    observe_polled(w, "web-0");

    world_snapshot(w, &snapshot);
    assert_int_equal(registry_row(&snapshot, REGISTRY)->in_progress, 0);
    snapshot_done(&snapshot);
}

static void secret_that_is_repaired_badly_is_the_new_cause(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    world_advance(w, 15 * SEC);
    observe_waiting(w, "web-0", "ImagePullBackOff",
                    BACK_OFF_TEXT ": ErrImagePull: " UNAUTHORIZED_TEXT);
    world_advance(w, 15 * SEC);
    observe_prevented(w, NOT_BASE64);

    expect(w, REASON_PULL_SECRET_MALFORMED, 1);
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->next_retry_us, 0);
    assert_int_equal(incident_of(&snapshot, "web-0")->state, INCIDENT_FAILING);
    assert_int_equal(failures_of(&snapshot, CAUSE_UNAUTHORIZED), 1);
    assert_int_equal(failures_of(&snapshot, CAUSE_CONFIG), 0);
    snapshot_done(&snapshot);
}

static void back_off_after_it_is_no_attempt(void **state)
{
    struct world *w = *state;

    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    observe_prevented(w, NOT_BASE64);
    observe_waiting(w, "web-0", "ImagePullBackOff", BACK_OFF_TEXT);
    expect(w, REASON_PULL_SECRET_MALFORMED, 1); /* a bare back-off names no cause */
    observe_waiting(w, "web-0", "ErrImagePull", UNAUTHORIZED_TEXT);
    expect(w, REASON_NO_CREDENTIALS, 2);
}

/* The Secret was repaired, and the status left ErrImagePull before it was read. */
static void first_back_off_after_it_is_an_attempt(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_prevented(w, NOT_BASE64);
    observe_waiting(w, "web-0", "ImagePullBackOff",
                    BACK_OFF_TEXT ": ErrImagePull: " UNAUTHORIZED_TEXT);
    world_snapshot(w, &snapshot);
    assert_int_equal(failures_of(&snapshot, CAUSE_UNAUTHORIZED), 1);
    snapshot_done(&snapshot);
    expect(w, REASON_NO_CREDENTIALS, 1);
}

static void repaired_secret_ends_the_incident(void **state)
{
    struct world *w = *state;

    observe_prevented(w, NOT_BASE64);
    observe_running(w, "web-0");
    assert_int_equal(state_of(w, "web-0"), INCIDENT_RECOVERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(pull_secret_that_cannot_be_read_blocks_the_container),
        WORLD_TEST(pull_secret_of_the_wrong_shape_is_not_the_registrys_fault),
        WORLD_TEST(disk_that_is_full_before_the_pull_is_named),
        WORLD_TEST(error_that_no_rule_knows_blocks_the_container_too),
        WORLD_TEST(word_of_kubernetes_that_is_unknown_is_no_error),
        WORLD_TEST(container_that_is_prevented_from_pulling_is_not_in_progress),
        WORLD_TEST(secret_that_is_repaired_badly_is_the_new_cause),
        WORLD_TEST(back_off_after_it_is_no_attempt),
        WORLD_TEST(first_back_off_after_it_is_an_attempt),
        WORLD_TEST(repaired_secret_ends_the_incident),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
