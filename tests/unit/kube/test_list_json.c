/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limit.h"
#include "tests/read_list.h"
#include "tests/unit/kube/kube_story.h"
#include "util.h"

static void assert_contains(const char *text, const char *words)
{
    if (!str_find(str_from(text), str_from(words)))
        fail_msg("\"%s\" does not contain \"%s\"", text, words);
}

static int take(struct story *story, struct str body, struct err *err)
{
    struct intake intake;
    int r;

    story_init(story);
    intake_init(&intake, KUBE_PODS, &story->sink, "lab-node");
    *err = ERR_INIT;
    r = list_take_json(&intake, body, err);
    intake_done(&intake);
    return r;
}

#define POD(meta, rest) "{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"" meta "}" rest "}"
#define ONE(pod) "{\"kind\":\"PodList\",\"items\":[" pod "]}"

static void missing_fields_of_a_pod_are_empty(void **state)
{
    static const struct {
        const char *body, *text;
    } good[] = {
        { "{\"kind\":\"PodList\",\"items\":null}", "PODS_BEGIN\nPODS_END\n" },
        { "{\"kind\":\"PodList\",\"items\":[]}", "PODS_BEGIN\nPODS_END\n" },
        { ONE(POD("", "")), " uid=u mirror= phase= deleting=0 created=0\n" },
        { ONE(POD(",\"deletionTimestamp\":\"2026-11-21T21:41:22Z\"", ",\"spec\":null")),
          "deleting=1" },
        { ONE(POD(",\"creationTimestamp\":\"yesterday\"", "")), "created=0\n" },
        { ONE(POD("", ",\"spec\":{\"containers\":[{\"name\":\"a\"}]}")),
          " a|container|||unknown|" },
        { ONE(POD("",
                  ",\"spec\":{\"initContainers\":[{\"name\":\"a\",\"restartPolicy\":\"Always\"}]"
                  "},\"status\":{\"initContainerStatuses\":[{\"name\":\"a\",\"state\":{}}]}")),
          " a|sidecar|||waiting||" },
        { ONE(POD("", ",\"spec\":{\"ephemeralContainers\":[{\"name\":\"a\"}]},\"status\":{"
                      "\"ephemeralContainerStatuses\":[{\"name\":\"a\","
                      "\"state\":{\"terminated\":{}}}]}")),
          " a|ephemeral|||terminated||" },
        { ONE(POD("", ",\"spec\":{\"containers\":[{\"name\":\"a\"}]},\"status\":{"
                      "\"containerStatuses\":[{\"name\":\"a\",\"state\":{\"terminated\":{"
                      "\"reason\":\"StartError\",\"message\":\"no image\"}}}]}")),
          "|start=no image" },
        { ONE(POD("", ",\"spec\":{\"containers\":[{\"name\":\"a\"}]},\"status\":{"
                      "\"containerStatuses\":[{\"name\":\"a\",\"state\":{\"waiting\":{"
                      "\"reason\":\"CrashLoopBackOff\"}},\"lastState\":{\"terminated\":{"
                      "\"reason\":\"StartError\",\"message\":\"no image\"}}}]}")),
          "|start=no image" },
        { ONE(POD(",\"annotations\":{\"kubernetes.io/config.hash\":\"h\"}", "")), "mirror= " },
        { ONE(POD(",\"annotations\":{\"kubernetes.io/config.mirror\":\"m\","
                  "\"kubernetes.io/config.hash\":\"h\"}",
                  "")),
          "mirror=h " },
        { ONE(POD(",\"labels\":{\"app\":\"web\",\"pod-template-hash\":\"5d8f9\"},"
                  "\"ownerReferences\":[{\"kind\":\"ConfigMap\",\"name\":\"c\"},"
                  "{\"kind\":\"Job\",\"name\":\"j\",\"controller\":false},"
                  "{\"kind\":\"ReplicaSet\",\"name\":\"web-5d8f9\",\"controller\":true}]",
                  "")),
          " owner=ReplicaSet/web-5d8f9 template=5d8f9\n" },
        { ONE(POD(",\"ownerReferences\":[{\"kind\":\"Job\",\"name\":\"j\"}]", "")), "created=0\n" },
        { ONE(POD(",\"annotations\":{\"kubernetes.io/config.source\":\"file\"}",
                  ",\"spec\":{\"nodeName\":\"node-1\"}")),
          " owner=Node/node-1\n" },
        { ONE(POD(",\"annotations\":{\"kubernetes.io/config.source\":\"api\"}",
                  ",\"spec\":{\"nodeName\":\"node-1\"}")),
          "created=0\n" },
        { ONE(POD("", ",\"status\":{\"phase\":\"a\\u0000b\"}")), "phase=" },
    };
    struct story story;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        if (take(&story, str_from(good[i].body), &err) < 0)
            fail_msg("%s: %s", good[i].body, err.text);
        assert_contains(story.text.at, good[i].text);
        story_done(&story);
    }
}

static void status_names_a_container_that_the_runtime_has_made(void **state)
{
    static const char body[] =
        ONE(POD("", ",\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]},\"status\":{"
                    "\"containerStatuses\":[{\"name\":\"a\",\"containerID\":\"cri-o://0\"},"
                    "{\"name\":\"b\",\"containerID\":\"\"}]}"));
    struct story story;
    struct err err;

    (void)state;
    assert_int_equal(take(&story, str_from(body), &err), 0);
    assert_int_equal(story.created, 1);
    story_done(&story);
}

static void malformed_list_is_refused_and_not_ended(void **state)
{
    static const struct {
        const char *body, *expected;
    } bad[] = {
        { "", "0 bytes are not valid JSON" },
        { "<html>Hello", "at byte 1): '<html>Hello'" },
        { "{\"kind\":\"PodList\",\"items\":[", "not valid JSON" },
        { "[]", "received '' instead of 'PodList'" },
        { "{\"kind\":7,\"items\":[]}", "received '' instead of 'PodList'" },
        { "{\"kind\":\"Status\"}", "received 'Status' instead of 'PodList'" },
        { "{\"kind\":\"PodList\"}", "the items of a PodList are not a list" },
        { "{\"kind\":\"PodList\",\"items\":{}}", "the items of a PodList are not a list" },
        { ONE("7"), "a pod is not a JSON object" },
        { ONE("{}"), "pod '' has no uid" },
        { ONE(POD("", "") ",{\"metadata\":{\"name\":\"q\"}}"), "pod 'q' has no uid" },
        { ONE(POD(",\"namespace\":7", "")), "pod 'p': the field 'namespace' is not a string" },
        { ONE(POD("", ",\"spec\":[]")), "the field 'spec' is not an object" },
        { ONE(POD("", ",\"spec\":{\"containers\":{}}")), "the field 'containers' is not a list" },
        { ONE(POD("", ",\"spec\":{\"containers\":[null]}")), "an item of a list is not an object" },
        { ONE(POD("", ",\"spec\":{\"volumes\":[{\"image\":\"x\"}]}")), "'image' is not an object" },
        { ONE(POD("", ",\"spec\":{\"imagePullSecrets\":[\"x\"]}")),
          "an item of a list is not an object" },
        { ONE(POD("", ",\"spec\":{\"containers\":[{\"name\":\"a\"}]},\"status\":{"
                      "\"containerStatuses\":[{\"name\":\"a\",\"state\":{\"terminated\":{"
                      "\"exitCode\":\"many\"}}}]}")),
          "'exitCode' is not a whole number" },
    };
    struct story story;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(take(&story, str_from(bad[i].body), &err), -EPROTO);
        assert_contains(err.text, bad[i].expected);
        assert_int_equal(story_count(&story, "PODS_END"), 0);
        story_done(&story);
    }
}

static void list_cut_at_any_byte_is_refused_and_not_ended(void **state)
{
    struct story story;
    struct buf json;
    struct err err;

    (void)state;
    recording_read("kubelet.pods.json", &json);
    for (size_t len = 0; len + 2 < json.len; len += 997) {
        assert_int_equal(take(&story, str_head(buf_str(&json), len), &err), -EPROTO);
        assert_int_equal(story_count(&story, "PODS_END"), 0);
        story_done(&story);
    }
    buf_done(&json);
}

static void containers_over_the_limit_are_left_out_and_counted(void **state)
{
    struct story story;
    struct buf body;
    struct err err;

    (void)state;
    buf_init(&body, 1 << 20);
    buf_add_text(&body, "{\"kind\":\"PodList\",\"items\":[{\"metadata\":{\"uid\":\"u\"},\"spec\":{"
                        "\"containers\":[{\"name\":\"first\"}");
    for (size_t i = 0; i < LIMIT_CONTAINERS_PER_POD; i++)
        buf_add_text(&body, ",{\"name\":\"more\"}");
    buf_add_text(&body, "]}}]}");
    assert_int_equal(take(&story, buf_str(&body), &err), 0);
    assert_int_equal(story.limit_hits[LIMIT_HIT_CONTAINERS], 1);
    assert_contains(story.text.at, " first|");
    story_done(&story);
    buf_done(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_fields_of_a_pod_are_empty),
        cmocka_unit_test(status_names_a_container_that_the_runtime_has_made),
        cmocka_unit_test(malformed_list_is_refused_and_not_ended),
        cmocka_unit_test(list_cut_at_any_byte_is_refused_and_not_ended),
        cmocka_unit_test(containers_over_the_limit_are_left_out_and_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
