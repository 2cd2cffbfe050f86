/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a message: the result is within its limits, valid UTF-8, the same when repeated, and
 * the canonical form of an image is its own canonical form. What is redacted stays as it is.
 */

#include <stdlib.h>
#include <string.h>

#include "agent/classify/explain.h"
#include "agent/classify/image_ref.h"
#include "agent/classify/message.h"
#include "agent/classify/named.h"
#include "agent/classify/party.h"
#include "agent/classify/redact.h"
#include "buf.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* redact() makes no text longer, changes nothing the second time, and cuts no character. */
static void check_redact(struct str text)
{
    static char once[1u << 16];
    static char twice[sizeof(once)];
    struct str result = { .at = once };
    bool valid;

    text = str_head(text, sizeof(once));
    valid = utf8_prefix(text) == text.len;
    if (text.len > 0)
        memcpy(once, text.at, text.len);
    result.len = redact(once, text.len);
    must(result.len <= text.len);
    must(!valid || utf8_prefix(result) == result.len);
    memcpy(twice, once, result.len);
    must(redact(twice, result.len) == result.len && memcmp(once, twice, result.len) == 0);
}

static bool inside(const struct message *m, struct str s)
{
    return s.len == 0 || (s.at >= m->buffer && s.at + s.len <= m->buffer + sizeof(m->buffer));
}

/* Without control bytes and without cut characters. */
static bool clean_utf8(struct str s)
{
    size_t due = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];

        if (c < 0x20 || c == 0x7f || (due > 0) != ((c & 0xc0) == 0x80))
            return false;
        due = due > 0 ? due - 1 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
    }
    return due == 0;
}

static void check_message(const struct message *m)
{
    must(inside(m, m->image) && inside(m, m->text));
    must(m->text.len <= LIMIT_MESSAGE_TEXT && clean_utf8(m->text));
    must(m->n_parts <= MESSAGE_PARTS_MAX && m->n_hits <= MESSAGE_HITS_MAX);
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct message_part *part = &m->parts[i];

        must(inside(m, part->terminal) && inside(m, part->file));
        must(inside(m, part->hosts.url) && inside(m, part->hosts.place));
        must(inside(m, part->hosts.looked_up) && inside(m, part->hosts.name_server));
        must(inside(m, part->hosts.dialled));
        must((size_t)part->first_hit + part->n_hits <= m->n_hits);
        must(part->http_status == 0 || (part->http_status >= 100 && part->http_status <= 599));
    }
}

static void check_verdict(const struct verdict *v)
{
    must(v->reason < REASON_MAX && v->cause == reason_cause(v->reason));
    must(v->stage <= STAGE_MAX && v->rule && *v->rule);
    must((v->ambiguous_with >> CAUSE_MAX) == 0);
}

/* The same verdict, and everything is inside the buffer and the lists. */
static void check_explanation(struct str text, const struct verdict *v)
{
    static struct message message;
    static struct explanation why;
    struct verdict again = explain((struct str){ 0 }, text, &message, &why);

    must(again.reason == v->reason && again.stage == v->stage && again.rule == v->rule);
    must(why.part < (int)message.n_parts && why.n_steps <= EXPLAIN_STEPS_MAX);
    must(why.n_runners_up <= EXPLAIN_RUNNERS_UP_MAX);
    for (size_t i = 0; i < why.n_steps; i++)
        must(inside(&message, why.steps[i].text) && clean_utf8(why.steps[i].text));
    for (size_t i = 0; i < why.n_runners_up; i++)
        must(why.runners_up[i].part < message.n_parts);
}

static void check_image(struct str image)
{
    char canonical[LIMIT_IMAGE_TEXT];
    char again[LIMIT_IMAGE_TEXT];
    char registry[LIMIT_NAME_TEXT];
    char same[LIMIT_NAME_TEXT];

    image_registry(image, registry);
    must(registry[0] != '\0');
    if (!image_canonical(image, canonical))
        return;
    must(image_canonical(str_from(canonical), again) && strcmp(canonical, again) == 0);
    must(image_same(image, str_from(canonical)));
    image_registry(str_from(canonical), same);
    must(strcmp(registry, same) == 0);
}

static bool terminated(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

/* What the classify command shows besides, and the advice about it. */
static void check_facts(const struct message *m, const struct verdict *v)
{
    struct named named;
    struct party party;
    struct buf advice;

    named_find(m, v, &named);
    must(terminated(named.image, sizeof(named.image)));
    must(terminated(named.registry, sizeof(named.registry)));
    party_find(m, v, str_from(named.registry), &party);
    must(party.role <= ROLE_MAX && terminated(party.host, sizeof(party.host)));
    must(party.role < ROLE_MAX || party.host[0] == '\0');
    must(inside(m, party.file));
    buf_init(&advice, ADVICE_MAX);
    advice_write(
        &advice, v,
        &(struct advice_facts){ .registry = str_from(named.registry),
                                .failed_host = str_from(party.host),
                                .failed_role = party.role < ROLE_MAX ? party.role : ROLE_REGISTRY,
                                .file = party.file });
    must(buf_error(&advice) == 0);
    buf_done(&advice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message message;
    struct str text = { .at = (const char *)data, .len = size };
    struct verdict first;
    struct verdict second;

    normalise((struct str){ 0 }, text, &message);
    check_redact(text);
    check_redact(message.text);
    check_message(&message);
    first = classify(&message);
    check_verdict(&first);
    must(first.part < (int)message.n_parts);
    check_facts(&message, &first);
    check_explanation(text, &first);
    check_image(message.image);
    check_image(text);
    normalise(STR("ErrImagePull"), text, &message);
    second = classify(&message);
    must(first.cause == second.cause || first.cause == CAUSE_UNKNOWN);
    return 0;
}
