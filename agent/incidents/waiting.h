/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a container's status says about its image. */

#include "agent/classify/message.h"
#include "agent/incidents/incidents.h"
#include "agent/incidents/pods.h"
#include "observation.h"

enum pull_class pull_class_of(const struct container_fact *fact);

/* Only for a status that is about a failed or prevented pull: */

/* The message, and its verdict. */
void waiting_read(const struct container_fact *fact, struct message *ret,
                  struct verdict *ret_verdict);

/* The waiting reason; "Error" or "StartError" if it says nothing. */
struct str waiting_word(const struct container_fact *fact);

enum pull_place waiting_place(const struct container_fact *fact);
