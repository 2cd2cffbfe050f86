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
 * `address` is the value of --debug.listen-address and must outlive the client. An
 * address of all interfaces, such as ":9918" or "0.0.0.0:9918", is asked at 127.0.0.1.
 * -EINVAL for an address that cannot be asked ("off", port 0, no HOST:PORT).
 */
int status_client_new(const char *address, struct status_client **ret, struct err *err);
void status_client_free(struct status_client *client); /* accepts NULL */
void status_client_freep(struct status_client **client);

/*
 * Gets all three answers. Waits at most 10 seconds for each. `err` names the address
 * and what to check. The caller releases `ret` with status_answers_done().
 */
int status_client_ask(struct status_client *client, struct status_answers *ret, struct err *err);
