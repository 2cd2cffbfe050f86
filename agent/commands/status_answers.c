/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/status_answers.h"

#include <string.h>

#include "clock.h"
#include "util.h"

void status_answers_done(struct status_answers *answers)
{
    json_decref(answers->failures);
    json_decref(answers->images);
    json_decref(answers->sources);
    *answers = (struct status_answers){ .failures = NULL };
}

const char *status_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

uint64_t status_number(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));

    return number > 0 ? (uint64_t)number : 0;
}

int64_t status_time_us(const json_t *object, const char *key)
{
    int64_t time_us;

    return time_parse(str_from(status_text(object, key)), &time_us) ? time_us : 0;
}

bool status_selected(const json_t *failure, const struct status_options *options)
{
    return (!options->namespace ||
            strcmp(status_text(failure, "namespace"), options->namespace) == 0) &&
           (!options->cause || strcmp(status_text(failure, "cause"), options->cause) == 0);
}

bool status_open(const json_t *failure)
{
    const char *state = status_text(failure, "state");

    return strcmp(state, "recovered") != 0 && strcmp(state, "gone") != 0;
}

size_t status_blocked(const struct status_answers *answers, const struct status_options *options)
{
    const json_t *failure;
    size_t n = 0;
    size_t i;

    json_array_foreach(json_object_get(answers->failures, "failures"), i, failure)
    {
        n += status_selected(failure, options) && status_open(failure);
    }
    return n;
}

const char *status_unknown(const struct status_answers *answers)
{
    const json_t *source;
    size_t i;

    json_array_foreach(json_object_get(answers->sources, "sources"), i, source)
    {
        if (strcmp(status_text(source, "source"), "pods") != 0)
            continue;
        if (strcmp(status_text(source, "state"), "off") == 0)
            return "not known, this agent does not read pods";
        if (!status_text(source, "last_success")[0])
            return "not known yet, waiting for the first list of pods";
        if (strcmp(status_text(source, "state"), "up") != 0)
            return "not known, the agent cannot read the pods now";
    }
    return NULL;
}

bool status_incomplete(const struct status_answers *answers)
{
    return json_object_size(json_object_get(answers->failures, "left_out")) > 0;
}

const char *status_list_name(enum status_list list)
{
#define X(name, text) text,
    static const char *const names[] = { STATUS_LIST_TABLE(X) };
#undef X

    return names[list];
}

bool status_is_queued(const json_t *image)
{
    return strcmp(status_text(image, "phase"), "kubelet_queue") == 0;
}

/* Pulls have no namespace and no cause. Do not show them if the user selects one. */
bool status_shows_pull(const json_t *image, const struct status_options *options)
{
    return !options->namespace && !options->cause &&
           (status_number(image, "containers_pulling") > 0 || status_is_queued(image)) &&
           !json_is_true(json_object_get(image, "present"));
}
