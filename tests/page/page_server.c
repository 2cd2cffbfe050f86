/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The debug listener with prepared snapshots, for tests of the status page:
 *
 *   page_server    prints "port N". Each line of standard input names the snapshot to show from
 * then on; page_server prints "shown". It ends with standard input.
 *
 * Snapshots: empty, golden, changed (golden, a minute later), moved (golden without its first
 * failure, and the second has another cause), group (three pods of one Deployment), smaller (group
 * without its first pod), hostile, many, thirty (failures of all causes, with
 * long and odd names), pulls, down, none (no pods are read).
 */

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "agent/commands/classify_json.h"
#include "clock.h"
#include "exporter/exporter.h"
#include "tests/unit/support/snapshot_fixture.h"
#include "util.h"

#define MANY 250

struct page_snapshot {
    const char *name;
    void (*fill)(struct fixture *fixture);
    struct fixture fixture;
};

static void fill_empty(struct fixture *fixture)
{
    fixture_init(fixture);
}

static void fill_changed(struct fixture *fixture)
{
    static const struct snapshot_evidence evidence[] = {
        { .at_us = FIXTURE_NOW,
          .witness = WITNESS_EVENT,
          .reason = "Failed",
          .text = "the newest" },
    };

    fixture_golden(fixture);
    fixture->incidents[0].attempts = 5;
    fixture->incidents[0].evidence = evidence;
    fixture->incidents[0].n_evidence = ARRAY_SIZE(evidence);
    fixture->incidents[1].state = INCIDENT_RECOVERED;
    fixture->incidents[1].ended_us = FIXTURE_NOW - SEC;
}

#define SCRIPT "<script>document.title='owned'</script>"
#define PICTURE "<img src=x onerror=\"document.title='owned'\">"

static void fill_hostile(struct fixture *fixture)
{
    static char endless[100001];
    static const char *const secrets[] = { PICTURE };
    static const struct snapshot_waiter behind[] = { { SCRIPT, PICTURE, "\"'>", SCRIPT } };
    static const struct snapshot_stall stall = { .layer = PICTURE,
                                                 .waiting_behind = behind,
                                                 .n_waiting_behind = 1 };
    static const struct snapshot_evidence evidence[] = {
        { .at_us = FIXTURE_NOW, .reason = SCRIPT, .text = PICTURE },
    };
    static const struct snapshot_image images[] = {
        { .image = SCRIPT,
          .registry = PICTURE,
          .digest = "",
          .waiting = 1,
          .pulling = 1,
          .bytes = 9,
          .total = 3 },
    };
    struct snapshot_incident *incident;

    memset(endless, 'A', sizeof(endless) - 1);
    fixture_init(fixture);
    incident = fixture_incident(fixture, SCRIPT, PICTURE, "\"'><b>bold", "a\xff\"'\n" PICTURE);
    incident->registry = PICTURE;
    incident->message = PICTURE;
    incident->advice = SCRIPT "{{NONCE}}";
    incident->pull_secrets = secrets;
    incident->n_pull_secrets = 1;
    incident->evidence = evidence;
    incident->n_evidence = 1;
    incident->stall = &stall;
    fixture_incident(fixture, "ns", "\xe2\x80\xaereversed", "app", "image")->message = endless;
    fixture_incident(fixture, "__proto__", "constructor", "toString", "javascript:alert(1)");
    fixture->snapshot.node = SCRIPT;
    fixture->snapshot.runtime_name = PICTURE;
    fixture->snapshot.images = images;
    fixture->snapshot.n_images = 1;
    snprintf(fixture->snapshot.sources[SOURCE_CRI].last_error, 256, "%s", PICTURE);
}

static void fill_many(struct fixture *fixture)
{
    static char names[MANY][32];

    fixture_init(fixture);
    for (unsigned i = 0; i < MANY; i++) {
        struct snapshot_incident *incident;

        snprintf(names[i], sizeof(names[i]), "web-%u", i);
        incident = fixture_incident(fixture, "default", names[i], "app", "quay.io/team/app:v1");
        incident->verdict.cause = (enum cause)(i % CAUSE_MAX);
        incident->advice = "Look at it.";
    }
}

static void fill_moved(struct fixture *fixture)
{
    fixture_golden(fixture);
    for (size_t i = 1; i < fixture->snapshot.n_incidents; i++)
        fixture->incidents[i - 1] = fixture->incidents[i];
    fixture->snapshot.n_incidents--;
    fixture->incidents[0].verdict = (struct snapshot_verdict){ .cause = CAUSE_NOT_FOUND,
                                                               .reason = REASON_REPOSITORY_UNKNOWN,
                                                               .stage = STAGE_RESOLVE };
}

static void fill_group(struct fixture *fixture)
{
    static const char *const pods[] = { "web-5d8f9-a", "web-5d8f9-b", "web-5d8f9-c" };

    fixture_init(fixture);
    for (unsigned i = 0; i < ARRAY_SIZE(pods); i++) {
        struct snapshot_incident *incident =
            fixture_incident(fixture, "shop", pods[i], "app", "r.example.com/shop/web:v2");

        incident->owner_kind = "Deployment";
        incident->owner_name = "web";
        incident->advice = "Push the tag.";
    }
    fixture_incident(fixture, "shop", "alone", "app", "r.example.com/shop/web:v2");
}

static void fill_smaller(struct fixture *fixture)
{
    fill_group(fixture);
    fixture->incidents[0].state = INCIDENT_RECOVERED;
    fixture->incidents[0].ended_us = FIXTURE_NOW - SEC;
}

/* Any reason of `cause`. */
static enum reason reason_of(enum cause cause)
{
    enum reason reason = 0;

    while (reason + 1 < REASON_MAX && reason_cause(reason) != cause)
        reason++;
    return reason;
}

static void fill_thirty(struct fixture *fixture)
{
    static char pods[30][254], image[400];
    static const char *const odd[] = { SCRIPT, "\"quoted' & <b>", "\xe2\x80\xaegnp.exe",
                                       "\xe6\xbc\xa2\xe5\xad\x97-\xc3\xa9" };

    fixture_init(fixture);
    memset(image, 'i', sizeof(image) - 1);
    memcpy(image, "registry.example.com:5000/", 26);
    for (unsigned i = 0; i < ARRAY_SIZE(pods); i++) {
        const enum cause cause = (enum cause)(i < CAUSE_MAX ? i : CAUSE_NETWORK);
        struct snapshot_incident *incident;

        memset(pods[i], 'a' + (int)(i % 26), sizeof(pods[i]) - 1);
        if (i % 5)
            snprintf(pods[i], sizeof(pods[i]), "checkout-7d9f8b6c5d-%05u", i);
        incident = fixture_incident(fixture, "shop", pods[i], "app",
                                    i % 7 ? "ghcr.io/shop/checkout:2026.11.21" : image);
        incident->verdict.cause = cause;
        incident->verdict.reason = reason_of(cause);
        incident->message = "failed to pull and unpack image: failed to resolve reference";
        incident->advice =
            "The node cannot resolve the name of ghcr.io: check it for typos, and check that "
            "the node's DNS servers know it.";
        incident->next_retry_us = FIXTURE_NOW + 200 * SEC;
        if (i % 5 == 1)
            incident->pod = odd[i / 5 % ARRAY_SIZE(odd)];
    }
}

#define DIGEST "@sha256:6457d53fb065d6f250e1504b9bc42d5b6c65941d57532c072d929dd0628977d0"

static void fill_pulls(struct fixture *fixture)
{
    static const struct snapshot_waiter behind[] = {
        { "shop", "cart-0", "app", "quay.io/team/big" },
        { "shop", "cart-1", "app", "quay.io/team/big" }
    };
    static const struct snapshot_stall stall = { .layer = "sha256:0f0f",
                                                 .bytes = 3u << 20,
                                                 .total = 90u << 20,
                                                 .last_progress_us = FIXTURE_NOW - 150 * SEC,
                                                 .waiting_behind = behind,
                                                 .n_waiting_behind = ARRAY_SIZE(behind) };
    static const char *const ahead[] = { "docker.io/team/app:latest" };
    static const struct snapshot_image images[] = {
        { .image = "quay.io/team/big" DIGEST,
          .registry = "quay.io",
          .stalled = true,
          .digest = "",
          .waiting = 3,
          .pulling = 3,
          .since_us = FIXTURE_NOW - 5 * MINUTE,
          .bytes = 3u << 20,
          .total = 90u << 20 },
        { .image = "docker.io/team/app:latest",
          .registry = "docker.io",
          .digest = "",
          .waiting = 1,
          .pulling = 1,
          .since_us = FIXTURE_NOW - 20 * SEC },
        { .image = "docker.io/team/later:1",
          .registry = "docker.io",
          .digest = "",
          .waiting = 2,
          .phase = PULL_PHASE_KUBELET_QUEUE,
          .waiting_behind = ahead,
          .n_waiting_behind = 1,
          .since_us = FIXTURE_NOW - 10 * SEC },
    };
    struct snapshot_incident *incident;

    fixture_init(fixture);
    incident = fixture_incident(fixture, "shop", "cart-2", "app", "quay.io/team/big:1" DIGEST);

    incident->registry = "quay.io";
    incident->state = INCIDENT_STALLED;
    incident->verdict = (struct snapshot_verdict){ .cause = CAUSE_NETWORK,
                                                   .reason = REASON_PULL_STALLED,
                                                   .stage = STAGE_BLOB };
    incident->attempts = 1;
    incident->stall = &stall;
    incident->advice = "No byte of a layer has come for minutes: check the path to quay.io.";
    fixture->snapshot.images = images;
    fixture->snapshot.n_images = ARRAY_SIZE(images);
}

static void fill_none(struct fixture *fixture)
{
    fixture_init(fixture);
    fixture->snapshot.sources[SOURCE_PODS] = (struct source_status){ .enabled = false };
}

static void fill_down(struct fixture *fixture)
{
    fixture_init(fixture);
    fixture->snapshot.sources[SOURCE_PODS].up = false;
    strcpy(fixture->snapshot.sources[SOURCE_PODS].last_error, "list pods: connection refused");
    fixture->snapshot.sources[SOURCE_PODS].last_error_us = FIXTURE_NOW - SEC;
}

static void fill_left_out(struct fixture *fixture)
{
    fixture_init(fixture);
    fixture->snapshot.left_out[LIMIT_HIT_PODS] = 104;
}

static struct page_snapshot snapshots[] = {
    { .name = "empty", .fill = fill_empty },       { .name = "golden", .fill = fixture_golden },
    { .name = "changed", .fill = fill_changed },   { .name = "hostile", .fill = fill_hostile },
    { .name = "many", .fill = fill_many },         { .name = "down", .fill = fill_down },
    { .name = "moved", .fill = fill_moved },       { .name = "thirty", .fill = fill_thirty },
    { .name = "group", .fill = fill_group },       { .name = "smaller", .fill = fill_smaller },
    { .name = "pulls", .fill = fill_pulls },       { .name = "none", .fill = fill_none },
    { .name = "left-out", .fill = fill_left_out },
};

static _Atomic(struct page_snapshot *) shown = &snapshots[0];

static int take(void *self, enum snapshot_detail detail, struct snapshot *ret, struct err *err)
{
    struct snapshot_source source = fixture_source(&atomic_load(&shown)->fixture);

    (void)self;
    return source.take(source.self, detail, ret, err);
}

static int show(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(snapshots); i++) {
        if (strcmp(snapshots[i].name, name) != 0)
            continue;
        atomic_store(&shown, &snapshots[i]);
        printf("shown\n");
        return fflush(stdout);
    }
    fprintf(stderr, "page_server: unknown snapshot '%s'\n", name);
    return -1;
}

int main(void)
{
    const struct exporter_config config = { .debug_listen = "127.0.0.1:0",
                                            .web_listen = "127.0.0.1:0",
                                            .explain = classify_json_explain,
                                            .version = "test",
                                            .revision = "test" };
    const struct snapshot_source source = { .take = take };
    struct exporter *exporter = NULL;
    struct err err = ERR_INIT;
    char line[64];

    for (size_t i = 0; i < ARRAY_SIZE(snapshots); i++)
        snapshots[i].fill(&snapshots[i].fixture);
    if (exporter_new(&config, &source, &exporter, &err) < 0) {
        fprintf(stderr, "page_server: %s\n", err.text);
        return 1;
    }
    printf("port %u\n", exporter_debug_port(exporter));
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (show(line) < 0)
            break;
    }
    exporter_free(exporter);
    return 0;
}
