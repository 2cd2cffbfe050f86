/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The HTTP client of `status`. Asks the debug listener of an agent on this machine and
 * contacts nothing else: it ignores the proxies of the environment. One thread at a time.
 */

#include "agent/commands/status_answers.h"
#include "err.h"

struct status_client;

/*
 * `addresses` is the value of --debug.listen-address, one or more separated by commas, and must
 * outlive the client. The first one is asked, and the next one if nobody listens there. An address
 * of all interfaces, such as ":9918" or "0.0.0.0:9918", is asked at 127.0.0.1. -EINVAL for an
 * address that cannot be asked ("off", port 0, no HOST:PORT).
 */
int status_client_new(const char *addresses, struct status_client **ret, struct err *err);
void status_client_free(struct status_client *client); /* accepts NULL */
void status_client_freep(struct status_client **client);

/* Takes the lists of the answers while they arrive. A callback returns 0, or a negative errno with
 * `err`, which ends the request. */
struct status_reader {
    void *self;
    /* A list begins. `head`: the answer so far, without members. */
    int (*begin)(void *self, enum status_list list, const json_t *head, struct err *err);
    int (*member)(void *self, enum status_list list, const json_t *member, struct err *err);
};

/*
 * Gets all three answers. Gives up after 10 seconds without a byte, and after a minute. Asks again
 * for up to 10 seconds while the agent sends a large answer to somebody else. `err` names the
 * address and what to check. The caller releases `ret` with status_answers_done(); its lists are
 * empty.
 */
int status_client_ask(struct status_client *client, const struct status_reader *reader,
                      struct status_answers *ret, struct err *err);
