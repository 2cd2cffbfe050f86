/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Asks an agent on this machine what it knows, over its debug listener. One
 * thread at a time; nothing but that listener is contacted, whatever proxies the
 * environment names.
 */

#include <jansson.h>

#include "err.h"

struct status_client;

/* What the agent said; each is an object, as exporter/debug/debug_json.h describes it. */
struct status_answers {
    json_t *failures;
    json_t *images;
    json_t *sources;
};

/*
 * `address` is the value of --debug.listen-address, from the listener's side:
 * ":9918" and "0.0.0.0:9918" are asked at 127.0.0.1. -EINVAL for what nobody can
 * be asked at ("off", port 0), with a sentence.
 */
int status_client_new(const char *address, struct status_client **ret, struct err *err);
void status_client_free(struct status_client *client); /* accepts NULL */
void status_client_freep(struct status_client **client);

/*
 * Takes a few milliseconds; an agent that hangs, ten seconds at most for each of three answers.
 * `err` names the address and what to look at. On success the caller releases `ret` with
 * status_answers_done().
 */
int status_client_ask(struct status_client *client, struct status_answers *ret, struct err *err);
void status_answers_done(struct status_answers *answers);
