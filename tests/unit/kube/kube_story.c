/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kube/kube_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "util.h"

#define STORY_MAX (64u << 20)

static void add_digest(struct buf *text, struct str s)
{
    uint32_t value = 2166136261u;

    for (size_t i = 0; i < s.len; i++)
        value = (value ^ (unsigned char)s.at[i]) * 16777619u;
    buf_printf(text, "%zu:%08x", s.len, value);
}

static void add_container(struct buf *text, const struct container_fact *container)
{
    static const char *const kinds[] = { [CONTAINER_APP] = "container",
                                         [CONTAINER_INIT] = "init",
                                         [CONTAINER_SIDECAR] = "sidecar",
                                         [CONTAINER_EPHEMERAL] = "ephemeral" };
    static const char *const phases[] = { [PHASE_UNKNOWN] = "unknown",
                                          [PHASE_WAITING] = "waiting",
                                          [PHASE_RUNNING] = "running",
                                          [PHASE_TERMINATED] = "terminated" };

    buf_printf(text, " %.*s|%s|%.*s|%.*s|%s|%.*s|", STR_ARG(container->name),
               kinds[container->kind], STR_ARG(container->image), STR_ARG(container->pull_policy),
               phases[container->phase], STR_ARG(container->waiting_reason));
    add_digest(text, container->waiting_message);
    if (container->start_error.len)
        buf_printf(text, "|start=%.*s", STR_ARG(container->start_error));
}

static void add_pod(struct buf *text, const struct pod_fact *pod)
{
    buf_printf(text, "%.*s/%.*s uid=%.*s mirror=%.*s phase=%.*s deleting=%d created=%lld",
               STR_ARG(pod->namespace), STR_ARG(pod->name), STR_ARG(pod->uid),
               STR_ARG(pod->mirror_uid), STR_ARG(pod->phase), pod->deleting,
               (long long)(pod->created_us / SEC));
    if (pod->owner_kind.len)
        buf_printf(text, " owner=%.*s/%.*s", STR_ARG(pod->owner_kind), STR_ARG(pod->owner_name));
    if (pod->template_hash.len)
        buf_printf(text, " template=%.*s", STR_ARG(pod->template_hash));
    for (size_t i = 0; i < pod->n_pull_secrets; i++)
        buf_printf(text, " secret=%.*s", STR_ARG(pod->pull_secrets[i]));
    for (size_t i = 0; i < pod->n_image_volumes; i++)
        buf_printf(text, " volume=%.*s", STR_ARG(pod->image_volumes[i].reference));
    for (size_t i = 0; i < pod->n_containers; i++)
        add_container(text, &pod->containers[i]);
}

static void add_event(struct buf *text, const struct event_fact *event)
{
    buf_printf(
        text, "%.*s/%.*s uid=%.*s pod=%.*s at=%.*s reason=%.*s count=%d first=%lld last=%lld ",
        STR_ARG(event->namespace), STR_ARG(event->pod_name), STR_ARG(event->event_uid),
        STR_ARG(event->pod_uid), STR_ARG(event->field_path), STR_ARG(event->reason),
        (int)event->count, (long long)(event->first_us / SEC), (long long)(event->last_us / SEC));
    add_digest(text, event->message);
}

static void story_observe(void *self, const struct observation *observation)
{
    struct story *story = self;
    struct buf *text = &story->text;

    switch (observation->kind) {
    case OBSERVE_PODS_BEGIN:
        buf_add_text(text, "PODS_BEGIN");
        break;
    case OBSERVE_PODS_END:
        buf_add_text(text, "PODS_END");
        break;
    case OBSERVE_POD:
        buf_add_text(text, "POD ");
        add_pod(text, &observation->pod);
        for (size_t i = 0; i < observation->pod.n_containers; i++)
            story->created += observation->pod.containers[i].created;
        break;
    case OBSERVE_POD_DELETED:
        buf_add_text(text, "DELETED ");
        add_pod(text, &observation->pod);
        break;
    case OBSERVE_EVENT:
        buf_add_text(text, "EVENT ");
        add_event(text, &observation->event);
        break;
    default:
        buf_add_text(text, "WHAT?");
        break;
    }
    buf_add_byte(text, '\n');
}

static void story_limit_hit(void *self, enum limit limit)
{
    ((struct story *)self)->limit_hits[limit]++;
}

static void story_status(void *self, enum source_id source, const struct source_status *status)
{
    ((struct story *)self)->status[source] = *status;
}

static void story_tick(void *self, enum source_id source)
{
    ((struct story *)self)->ticks[source]++;
}

static void story_wanted(void *self, struct wanted *ret)
{
    const struct story *story = self;

    *ret = (struct wanted){ .n_namespaces = story->n_wanted, .pods_wait = story->pods_wait };
    arena_init(&ret->arena, 4096);
    for (size_t i = 0; i < story->n_wanted; i++)
        ret->namespaces[i] = str_from(story->wanted[i]);
}

void story_init(struct story *story)
{
    *story = (struct story){ 0 };
    buf_init(&story->text, STORY_MAX);
    story->sink = (struct sink){ .self = story,
                                 .observe = story_observe,
                                 .limit_hit = story_limit_hit,
                                 .status = story_status,
                                 .tick = story_tick,
                                 .wanted = story_wanted };
}

void story_done(struct story *story)
{
    buf_done(&story->text);
}

void story_reset(struct story *story)
{
    buf_reset(&story->text);
}

static bool next_line(struct str *rest, struct str *ret)
{
    const char *end = str_find(*rest, STR("\n"));

    if (!end)
        return false;
    *ret = str_span(rest->at, end);
    *rest = str_skip(*rest, ret->len + 1);
    return true;
}

size_t story_count(const struct story *story, const char *word)
{
    struct str rest = buf_str(&story->text), line;
    size_t n = 0;

    while (next_line(&rest, &line))
        n += str_starts(line, str_from(word));
    return n;
}

bool story_has(const struct story *story, struct str wanted)
{
    struct str rest = buf_str(&story->text), line;

    while (next_line(&rest, &line))
        if (str_eq(line, wanted))
            return true;
    return false;
}

void story_assert_is(const struct story *story, const char *expected_name)
{
    struct str line, wanted, rest = buf_str(&story->text), expected;
    struct buf text;
    bool more;

    recording_read(expected_name, &text);
    for (expected = buf_str(&text);;) {
        more = next_line(&rest, &line);
        if (more != next_line(&expected, &wanted))
            fail_msg("%s has %s lines", expected_name, more ? "fewer" : "more");
        if (!more)
            break;
        if (!str_eq(line, wanted))
            fail_msg("'%.*s' is expected, got '%.*s'", STR_ARG(wanted), STR_ARG(line));
    }
    buf_done(&text);
}

void recording_read(const char *name, struct buf *ret)
{
    char path[256], block[4096];
    FILE *file;
    size_t n;

    snprintf(path, sizeof(path), "tests/data/recordings/%s", name);
    file = fopen(path, "rb");
    if (!file) {
        perror(path);
        abort();
    }
    buf_init(ret, STORY_MAX);
    while ((n = fread(block, 1, sizeof(block), file)) > 0)
        buf_add(ret, (struct str){ .at = block, .len = n });
    fclose(file);
}

struct str recording_body(const struct buf *response)
{
    const char *empty_line = str_find(buf_str(response), STR("\r\n\r\n"));

    if (!empty_line)
        abort();
    return str_span(empty_line + 4, response->at + response->len);
}

int64_t recording_fact(const char *folder, const char *name)
{
    struct buf text;
    char path[128];
    json_t *facts, *fact;
    int64_t value;

    snprintf(path, sizeof(path), "%sfacts.json", folder);
    recording_read(path, &text);
    facts = json_loadb(text.at, text.len, 0, NULL);
    fact = json_object_get(facts, name);
    if (!json_is_integer(fact)) {
        fprintf(stderr, "%s has no number '%s'\n", path, name);
        abort();
    }
    value = json_integer_value(fact);
    json_decref(facts);
    buf_done(&text);
    return value;
}

const char *with_facts(const char *text)
{
    static char lines[2][512];
    static unsigned turn;
    char *line = lines[turn++ % 2];
    size_t n = 0;

    for (; *text && n + 24 < sizeof(lines[0]); text++) {
        const char *end = *text == '{' ? strchr(text, '}') : NULL;
        char name[32] = "";

        if (!end) {
            line[n++] = *text;
            continue;
        }
        snprintf(name, sizeof(name), "%.*s", (int)(end - text - 1), text + 1);
        n += (size_t)snprintf(line + n, 24, "%lld", (long long)recording_fact("", name));
        text = end;
    }
    if (*text)
        abort();
    line[n] = '\0';
    return line;
}
