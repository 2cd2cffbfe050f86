/* SPDX-License-Identifier: Apache-2.0 */

/* What the pod's pull Secrets, and an image that is on the node, say about a failed pull. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/incidents/world.h"

#define NO_LOGIN_TEXT                                                                              \
    "failed to pull and unpack image \"" IMAGE "\": failed to resolve image: pull access denied, " \
    "repository does not exist or may require authorization: authorization failed: no basic auth " \
    "credentials"
#define WRONG_PASSWORD_TEXT                                                                        \
    "initializing source docker://" IMAGE ": unable to retrieve auth token: invalid "              \
    "username/password: unauthorized: incorrect username or password"
#define CRIO_TEXT                                                                                  \
    "initializing source docker://" IMAGE ": reading manifest v1 in " REGISTRY "/team/app: "       \
    "authentication required"
#define FORBIDDEN_TEXT                                                                             \
    "failed to pull and unpack image \"" IMAGE "\": failed to resolve image: unexpected status "   \
    "from HEAD request to https://" REGISTRY "/v2/team/app/manifests/v1: 403 Forbidden"
#define BASE64_TEXT "illegal base64 data at input byte 4"

/* web-0 waits with this message; its pull Secrets are `first` and `second`, NULL: none. */
static void observe_refused(struct world *w, const char *reason, const char *message,
                            const char *first, const char *second)
{
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.containers[0].waiting_reason = str_from(reason);
    facts.containers[0].waiting_message = str_from(message);
    facts.secrets[0] = str_from(first ? first : "");
    facts.secrets[1] = str_from(second ? second : "");
    facts.fact.n_pull_secrets = (first != NULL) + (second != NULL);
    observe_pod(w, &facts);
}

static void observe_missing(struct world *w, const char *names)
{
    char text[160];

    snprintf(text, sizeof(text),
             "Unable to retrieve some image pull secrets (%s); attempting to pull the image may "
             "not succeed.",
             names);
    observe_event(w, "web-0", APP_PATH, "m1", "FailedToRetrieveImagePullSecret", text, 1);
}

static enum reason reason_of(struct world *w)
{
    struct snapshot snapshot;
    enum reason reason;

    world_snapshot(w, &snapshot);
    reason = incident_of(&snapshot, "web-0")->verdict.reason;
    snapshot_done(&snapshot);
    return reason;
}

/* The advice has `part`; with '!' in front, it has it not. */
static void expect_advice(struct world *w, const char *part)
{
    bool wanted = part[0] != '!';
    struct snapshot snapshot;
    const char *advice;

    world_snapshot(w, &snapshot);
    advice = incident_of(&snapshot, "web-0")->advice;
    if ((strstr(advice, part + !wanted) != NULL) != wanted)
        fail_msg("\"%s\": %s", part, advice);
    snapshot_done(&snapshot);
}

/* --- was a login sent? ----------------------------------------------------- */

static void message_that_proves_that_none_was_sent_decides(void **state)
{
    struct world *w = *state;

    observe_refused(w, "ErrImagePull", NO_LOGIN_TEXT, "regcred", NULL);
    assert_int_equal(reason_of(w), REASON_NO_CREDENTIALS);
    expect_advice(w, "the node sent none");
    expect_advice(w, "none of the pod's imagePullSecrets is for this registry (\"regcred\")");
    expect_advice(w, "type must be kubernetes.io/dockerconfigjson");
    expect_advice(w, "with its port");
}

static void message_that_proves_that_one_was_sent_decides(void **state)
{
    struct world *w = *state;

    observe_refused(w, "ErrImagePull", WRONG_PASSWORD_TEXT, NULL, NULL);
    assert_int_equal(reason_of(w), REASON_BAD_CREDENTIALS);
    expect_advice(w, "rejected the credentials");
    expect_advice(w, "it is the node's own");
}

static void else_the_pods_secrets_decide(void **state)
{
    static const char *const texts[] = { CRIO_TEXT, UNAUTHORIZED_TEXT };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        observe_refused(w, "ErrImagePull", texts[i], "regcred", NULL);
        assert_int_equal(reason_of(w), REASON_BAD_CREDENTIALS);
        expect_advice(w, "the same with and without a login");
        expect_advice(w, "\"regcred\"");
        expect_advice(w, "!none of the pod's");
        expect_advice(w, "!rejected the credentials");

        observe_refused(w, "ErrImagePull", texts[i], NULL, NULL);
        assert_int_equal(reason_of(w), REASON_NO_CREDENTIALS);
        expect_advice(w, "the pod has no imagePullSecrets");
        expect_advice(w, "!the node sent none");
        expect_advice(w, "!check that the pull Secret");
    }
}

static void secrets_of_a_service_account_count_only_for_new_pods(void **state)
{
    struct world *w = *state;

    observe_refused(w, "ErrImagePull", NO_LOGIN_TEXT, NULL, NULL);
    expect_advice(w, "the pod has no imagePullSecrets");
    expect_advice(w, "count only for new pods, so delete the pod");
}

/* --- missing Secrets ------------------------------------------------------- */

static void missing_secret_explains_a_pull_without_login(void **state)
{
    struct world *w = *state;

    observe_refused(w, "ErrImagePull", NO_LOGIN_TEXT, "absent", "gone");
    observe_missing(w, "absent, gone");
    assert_int_equal(reason_of(w), REASON_PULL_SECRET_MISSING);
    expect_advice(w, "The pull Secrets \"absent\", \"gone\"");
    expect_advice(w, "could not be read; as a rule");
    expect_advice(w, "!other pull Secrets");
}

static void other_secrets_are_named_beside_a_missing_one(void **state)
{
    struct world *w = *state;

    observe_refused(w, "ErrImagePull", FORBIDDEN_TEXT, "absent", "other");
    observe_missing(w, "absent");
    assert_int_equal(reason_of(w), REASON_PULL_SECRET_MISSING);
    expect_advice(w, "The pull Secret \"absent\"");
    expect_advice(w, "The pod's other pull Secrets can be wrong, too (\"other\")");
}

static void refused_login_is_said_beside_a_missing_secret(void **state)
{
    struct world *w = *state;
    struct snapshot snapshot;

    observe_refused(w, "ErrImagePull", UNAUTHORIZED_TEXT, "absent", "wrong");
    observe_missing(w, "absent");
    assert_int_equal(reason_of(w), REASON_BAD_CREDENTIALS);
    expect_advice(w, "\"absent\", which the pod names, could not be read");
    expect_advice(w, "check that the pull Secret is for");
    world_snapshot(w, &snapshot);
    assert_int_equal(incident_of(&snapshot, "web-0")->n_missing_pull_secrets, 1);
    snapshot_done(&snapshot);
}

static void login_that_is_refused_is_not_explained_by_a_missing_secret(void **state)
{
    struct world *w = *state;

    observe_refused(w, "ErrImagePull", WRONG_PASSWORD_TEXT, "absent", NULL);
    observe_missing(w, "absent");
    assert_int_equal(reason_of(w), REASON_BAD_CREDENTIALS);
}

/* A registry that refuses an anonymous token with a bare 401 (quay.io). */
static void bare_401_is_explained_by_missing_secrets(void **state)
{
    struct world *w = *state;

    observe_refused(w, "ErrImagePull", UNAUTHORIZED_TEXT, "absent", NULL);
    observe_missing(w, "absent");
    assert_int_equal(reason_of(w), REASON_PULL_SECRET_MISSING);
}

static void secret_that_is_created_with_a_wrong_password_is_not_missing(void **state)
{
    struct world *w = *state;

    observe_refused(w, "ErrImagePull", NO_LOGIN_TEXT, "late", NULL);
    observe_missing(w, "late");
    assert_int_equal(reason_of(w), REASON_PULL_SECRET_MISSING);
    world_advance(w, 20 * SEC);
    observe_refused(w, "ErrImagePull", UNAUTHORIZED_TEXT, "late", NULL);
    assert_int_equal(reason_of(w), REASON_BAD_CREDENTIALS);
}

/* web-0 has a second container, which pulls from another registry, with the same Secret. */
static void observe_two(struct world *w, const char *app_reason, const char *app_message,
                        const char *reason)
{
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.containers[0].waiting_reason = str_from(app_reason);
    facts.containers[0].waiting_message = str_from(app_message);
    if (!app_reason[0])
        facts.containers[0].phase = PHASE_RUNNING;
    facts.containers[1] = facts.containers[0];
    facts.containers[1].name = STR("other");
    facts.containers[1].image = STR("quay.io/team/other:1");
    facts.containers[1].phase = PHASE_WAITING;
    facts.containers[1].waiting_reason = str_from(reason);
    facts.containers[1].waiting_message =
        STR("failed to resolve image: pull access denied, repository does not exist or may require "
            "authorization: authorization failed: no basic auth credentials");
    facts.fact.n_containers = 2;
    facts.secrets[0] = STR("late");
    facts.fact.n_pull_secrets = 1;
    observe_pod(w, &facts);
}

static enum reason reason_of_container(struct world *w, const char *container, size_t *ret_missing)
{
    enum reason reason = REASON_MAX;
    struct snapshot snapshot;

    world_snapshot(w, &snapshot);
    for (size_t i = 0; i < snapshot.n_incidents; i++)
        if (strcmp(snapshot.incidents[i].container, container) == 0) {
            reason = snapshot.incidents[i].verdict.reason;
            *ret_missing = snapshot.incidents[i].n_missing_pull_secrets;
        }
    snapshot_done(&snapshot);
    return reason;
}

/* The kubelet tells nobody that it can read a Secret again, only that it cannot. */
static void login_of_a_later_attempt_shows_that_the_secret_was_read(void **state)
{
    struct world *w = *state;
    size_t missing;

    observe_two(w, "ErrImagePull", NO_LOGIN_TEXT, "ErrImagePull");
    observe_missing(w, "late");
    assert_int_equal(reason_of_container(w, "other", &missing), REASON_PULL_SECRET_MISSING);
    observe_two(w, "ImagePullBackOff", BACK_OFF_TEXT, "ImagePullBackOff");
    world_advance(w, 20 * SEC);
    observe_two(w, "ErrImagePull", WRONG_PASSWORD_TEXT, "ImagePullBackOff");
    assert_int_equal(reason_of_container(w, "app", &missing), REASON_BAD_CREDENTIALS);
    assert_int_equal(missing, 0);
    assert_int_equal(reason_of_container(w, "other", &missing), REASON_NO_CREDENTIALS);
    assert_int_equal(missing, 0);

    /* It is deleted again. */
    world_advance(w, 20 * SEC);
    observe_missing(w, "late");
    assert_int_equal(reason_of_container(w, "other", &missing), REASON_PULL_SECRET_MISSING);
    assert_int_equal(missing, 1);
    /* The same attempt, told once more. */
    observe_two(w, "ImagePullBackOff", BACK_OFF_TEXT ": ErrImagePull: " WRONG_PASSWORD_TEXT,
                "ImagePullBackOff");
    assert_int_equal(reason_of_container(w, "other", &missing), REASON_PULL_SECRET_MISSING);
}

static void pull_that_succeeds_at_last_shows_that_the_secret_was_read(void **state)
{
    struct world *w = *state;
    size_t missing;

    observe_two(w, "ErrImagePull", NO_LOGIN_TEXT, "ErrImagePull");
    observe_missing(w, "late");
    world_advance(w, 20 * SEC);
    observe_two(w, "", "", "ImagePullBackOff");
    assert_int_equal(reason_of_container(w, "app", &missing), REASON_PULL_SECRET_MISSING);
    assert_int_equal(missing, 1); /* it ended so */
    assert_int_equal(reason_of_container(w, "other", &missing), REASON_NO_CREDENTIALS);
    assert_int_equal(missing, 0);
}

/* A public image needs no Secret. */
static void pull_that_never_failed_shows_nothing_about_the_secret(void **state)
{
    struct world *w = *state;
    size_t missing;

    observe_two(w, "ContainerCreating", "", "ErrImagePull");
    observe_missing(w, "late");
    world_advance(w, 20 * SEC);
    observe_two(w, "", "", "ImagePullBackOff");
    assert_int_equal(reason_of_container(w, "other", &missing), REASON_PULL_SECRET_MISSING);
}

/* Nobody knows which of them was read. */
static void login_does_not_show_which_of_two_secrets_was_read(void **state)
{
    struct world *w = *state;

    observe_refused(w, "ErrImagePull", NO_LOGIN_TEXT, "absent", "gone");
    observe_missing(w, "absent, gone");
    observe_refused(w, "ImagePullBackOff", BACK_OFF_TEXT, "absent", "gone");
    world_advance(w, 20 * SEC);
    observe_refused(w, "ErrImagePull", WRONG_PASSWORD_TEXT, "absent", "gone");
    assert_int_equal(reason_of(w), REASON_BAD_CREDENTIALS);
    expect_advice(w, "could not be read");
}

static void unreadable_secret_is_among_those_that_the_advice_names(void **state)
{
    struct world *w = *state;

    observe_refused(w, BASE64_TEXT, BASE64_TEXT, "regcred", "other");
    assert_int_equal(reason_of(w), REASON_PULL_SECRET_MALFORMED);
    expect_advice(w, "The pod names \"regcred\", \"other\".");
}

/* --- an image that is there, but not for this pod -------------------------- */

static void image_that_the_pod_may_not_use_is_not_called_absent(void **state)
{
    struct world *w = *state;

    observe_refused(w, "ErrImageNeverPull", NEVER_PULL_TEXT, "absent", NULL);
    expect_advice(w, "the image is not on the node");
    observe_image(w, IMAGE, true);
    observe_missing(w, "absent");
    assert_int_equal(reason_of(w), REASON_NEVER_PULL);
    expect_advice(w, "The image is on the node, but this pod");
    expect_advice(w, "!image is not on the node");
    expect_advice(w, "The pull Secret \"absent\"");
}

static void pull_of_an_image_that_is_there_is_explained(void **state)
{
    struct world *w = *state;

    observe_refused(w, "ErrImagePull", NO_LOGIN_TEXT, NULL, NULL);
    observe_image(w, IMAGE, false);
    expect_advice(w, "!on the node already");
    observe_image(w, IMAGE, true);
    expect_advice(w, "The image is on the node already");
}

static void image_that_is_always_pulled_may_be_there(void **state)
{
    struct world *w = *state;
    struct pod_facts facts;

    pod_of(w, &facts, "web-0");
    facts.containers[0].pull_policy = STR("Always");
    facts.containers[0].waiting_reason = STR("ErrImagePull");
    facts.containers[0].waiting_message = STR(NO_LOGIN_TEXT);
    observe_pod(w, &facts);
    observe_image(w, IMAGE, true);
    expect_advice(w, "!on the node already");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(message_that_proves_that_none_was_sent_decides),
        WORLD_TEST(message_that_proves_that_one_was_sent_decides),
        WORLD_TEST(else_the_pods_secrets_decide),
        WORLD_TEST(secrets_of_a_service_account_count_only_for_new_pods),
        WORLD_TEST(missing_secret_explains_a_pull_without_login),
        WORLD_TEST(other_secrets_are_named_beside_a_missing_one),
        WORLD_TEST(refused_login_is_said_beside_a_missing_secret),
        WORLD_TEST(login_that_is_refused_is_not_explained_by_a_missing_secret),
        WORLD_TEST(bare_401_is_explained_by_missing_secrets),
        WORLD_TEST(secret_that_is_created_with_a_wrong_password_is_not_missing),
        WORLD_TEST(unreadable_secret_is_among_those_that_the_advice_names),
        WORLD_TEST(login_of_a_later_attempt_shows_that_the_secret_was_read),
        WORLD_TEST(pull_that_succeeds_at_last_shows_that_the_secret_was_read),
        WORLD_TEST(pull_that_never_failed_shows_nothing_about_the_secret),
        WORLD_TEST(login_does_not_show_which_of_two_secrets_was_read),
        WORLD_TEST(image_that_the_pod_may_not_use_is_not_called_absent),
        WORLD_TEST(pull_of_an_image_that_is_there_is_explained),
        WORLD_TEST(image_that_is_always_pulled_may_be_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
