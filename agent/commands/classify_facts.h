/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What `classify` shows of a message besides its verdict. */

#include <stdbool.h>

#include "agent/classify/message.h"
#include "agent/classify/named.h"
#include "agent/classify/party.h"

struct classify_facts {
    struct named named;
    struct party party;
};

void classify_facts_find(const struct message *message, const struct verdict *verdict,
                         struct classify_facts *ret);

/* Keeps of `facts` what classify_same_facts() compares. */
void classify_facts_keep(struct classify_facts *to, const struct classify_facts *facts);

/* Whether all but the image is the same. False if one names a file. */
bool classify_same_facts(const struct classify_facts *a, const struct classify_facts *b);

/* They point into `facts`. */
struct advice_facts classify_advice_facts(const struct classify_facts *facts);
