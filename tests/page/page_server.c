/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The debug listener over pictures made by hand, for tests of the status page:
 *
 *   page_server              prints "port N"; then each line on standard input is the
 *                            name of the picture to show from now on; ends with it
 *
 * Pictures: empty, golden, changed (golden, a minute later), hostile, many, down.
 */

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "exporter/exporter.h"
#include "tests/unit/snapshot_fixture.h"
#include "util.h"

#define MANY 250

struct picture {
    const char *name;
    void (*draw)(struct fixture *fixture);
    struct fixture fixture;
};

static void draw_empty(struct fixture *fixture)
{
    fixture_init(fixture);
}

static void draw_changed(struct fixture *fixture)
{
    static const struct evidence_view evidence[] = {
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

static void draw_hostile(struct fixture *fixture)
{
    static char endless[100001];
    static const char *const secrets[] = { PICTURE };
    static const struct waiter_view behind[] = { { SCRIPT, PICTURE, "\"'>" } };
    static const struct stall_view stall = { .layer = PICTURE,
                                             .waiting_behind = behind,
                                             .n_waiting_behind = 1 };
    static const struct evidence_view evidence[] = {
        { .at_us = FIXTURE_NOW, .reason = SCRIPT, .text = PICTURE },
    };
    static const struct image_view images[] = {
        { .image = SCRIPT,
          .registry = PICTURE,
          .digest = "",
          .waiting = 1,
          .pulling = 1,
          .bytes = 9,
          .total = 3 },
    };
    struct incident_view *incident;

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

static void draw_many(struct fixture *fixture)
{
    static char names[MANY][32];

    fixture_init(fixture);
    for (unsigned i = 0; i < MANY; i++) {
        struct incident_view *incident;

        snprintf(names[i], sizeof(names[i]), "web-%u", i);
        incident = fixture_incident(fixture, "default", names[i], "app", "quay.io/team/app:v1");
        incident->verdict.cause = (enum cause)(i % CAUSE_MAX);
        incident->advice = "Look at it.";
    }
}

static void draw_down(struct fixture *fixture)
{
    fixture_init(fixture);
    fixture->snapshot.sources[SOURCE_PODS].up = false;
    strcpy(fixture->snapshot.sources[SOURCE_PODS].last_error, "list pods: connection refused");
    fixture->snapshot.sources[SOURCE_PODS].last_error_us = FIXTURE_NOW - SEC;
}

static struct picture pictures[] = {
    { .name = "empty", .draw = draw_empty },     { .name = "golden", .draw = fixture_golden },
    { .name = "changed", .draw = draw_changed }, { .name = "hostile", .draw = draw_hostile },
    { .name = "many", .draw = draw_many },       { .name = "down", .draw = draw_down },
};

static _Atomic(struct picture *) shown = &pictures[0];

static int take(void *self, enum snapshot_detail detail, struct snapshot *ret, struct err *err)
{
    struct snapshot_source source = fixture_source(&atomic_load(&shown)->fixture);

    (void)self;
    return source.take(source.self, detail, ret, err);
}

static int show(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(pictures); i++) {
        if (strcmp(pictures[i].name, name) != 0)
            continue;
        atomic_store(&shown, &pictures[i]);
        printf("shown\n");
        return fflush(stdout);
    }
    fprintf(stderr, "page_server: no picture '%s'\n", name);
    return -1;
}

int main(void)
{
    const struct exporter_config config = { .debug_listen = "127.0.0.1:0",
                                            .web_listen = "127.0.0.1:0",
                                            .version = "test",
                                            .revision = "test" };
    const struct snapshot_source source = { .take = take };
    struct exporter *exporter = NULL;
    struct err err = ERR_INIT;
    char line[64];

    for (size_t i = 0; i < ARRAY_SIZE(pictures); i++)
        pictures[i].draw(&pictures[i].fixture);
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
