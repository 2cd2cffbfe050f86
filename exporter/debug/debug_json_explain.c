/* SPDX-License-Identifier: Apache-2.0 */

/* The debug answer about one message: the same that `classify --explain` says. */

#include "exporter/debug/debug_json.h"

#include "agent/classify/explain.h"
#include "agent/classify/image_ref.h"
#include "buf.h"
#include "exporter/debug/json.h"

#define ADVICE_MAX 4096u

static json_t *known_str(struct str text)
{
    return text.len ? json_str(text) : json_null();
}

static json_t *chain(const struct explanation *why, size_t part)
{
    json_t *array = json_array();
    bool complete = true;

    for (size_t i = 0; i < why->n_steps; i++)
        if (why->steps[i].part == part)
            complete &= json_add(array, json_str(why->steps[i].text));
    return json_array_end(array, complete);
}

static json_t *parts(const struct message *message, const struct explanation *why)
{
    json_t *array = json_array();
    bool complete = true;

    for (size_t i = 0; i < message->n_parts; i++) {
        const struct message_part *part = &message->parts[i];
        struct json_object item = json_object_begin();

        json_put(&item, "chain", chain(why, i));
        json_put(&item, "terminal", known_str(part->terminal));
        json_put(&item, "grpc_code",
                 part->grpc_code >= 0 ? json_integer(part->grpc_code) : json_null());
        json_put(&item, "http_status",
                 part->http_status ? json_integer(part->http_status) : json_null());
        complete &= json_add(array, json_object_end(&item));
    }
    return json_array_end(array, complete);
}

static json_t *runners_up(const struct explanation *why)
{
    json_t *array = json_array();
    bool complete = true;

    for (size_t i = 0; i < why->n_runners_up; i++) {
        const struct explain_rule *rule = &why->runners_up[i];
        struct json_object item = json_object_begin();

        json_put(&item, "rule", json_text(rule->name));
        json_put(&item, "cause", json_text(cause_name(reason_cause(rule->reason))));
        json_put(&item, "reason", json_text(reason_name(rule->reason)));
        json_put(&item, "attempt", json_integer(rule->part));
        complete &= json_add(array, json_object_end(&item));
    }
    return json_array_end(array, complete);
}

static json_t *advice(const struct verdict *verdict, const char *registry)
{
    const struct advice_facts facts = { .registry = str_from(registry) };
    struct buf text;
    json_t *json;

    buf_init(&text, ADVICE_MAX);
    advice_write(&text, verdict, &facts);
    json = buf_error(&text) ? NULL : known_str(buf_str(&text));
    buf_done(&text);
    return json;
}

static json_t *explained(const struct message *message, const struct verdict *verdict,
                         const struct explanation *why)
{
    struct json_object object = json_object_begin();
    char registry[LIMIT_NAME_TEXT] = "";

    if (message->image.len)
        image_registry(message->image, registry);
    json_put(&object, "cause", json_text(cause_name(verdict->cause)));
    json_put(&object, "reason", json_text(reason_name(verdict->reason)));
    json_put(&object, "stage", json_text(stage_name(verdict->stage)));
    json_put(&object, "http_status",
             verdict->http_status ? json_integer(verdict->http_status) : json_null());
    json_put(&object, "ambiguous_with", json_causes(verdict->ambiguous_with));
    json_put(&object, "image", known_str(message->image));
    json_put(&object, "registry", json_known_text(registry));
    json_put(&object, "advice", advice(verdict, registry));
    json_put(&object, "rule", json_text(verdict->rule));
    json_put(&object, "attempt", why->part >= 0 ? json_integer(why->part) : json_null());
    json_put(&object, "message", known_str(message->text));
    json_put(&object, "back_off", json_boolean(message->back_off));
    json_put(&object, "truncated", json_boolean(message->truncated));
    json_put(&object, "attempts", parts(message, why));
    json_put(&object, "runners_up", runners_up(why));
    return json_object_end(&object);
}

int debug_json_explain(struct buf *out, struct str text, struct err *err)
{
    struct explanation why;
    struct message message;
    struct verdict verdict = explain(STR(""), text, &message, &why);
    int r = json_write(out, explained(&message, &verdict, &why), err);

    buf_add_byte(out, '\n');
    return r < 0 ? r : json_check(out, err);
}
