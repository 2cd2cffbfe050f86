/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/commands/classify_facts.h"

#include <string.h>

void classify_facts_find(const struct message *message, const struct verdict *verdict,
                         struct classify_facts *ret)
{
    struct str registry;

    named_find(message, verdict, &ret->named);
    if (message->image.len == 0 || named_is_invalid(ret->named.registry)) /* only guessed */
        registry = STR("");
    else
        registry = str_from(ret->named.registry);
    party_find(message, verdict, registry, &ret->party);
}

void classify_facts_keep(struct classify_facts *to, const struct classify_facts *facts)
{
    memcpy(to->named.registry, facts->named.registry, strlen(facts->named.registry) + 1);
    memcpy(to->party.host, facts->party.host, strlen(facts->party.host) + 1);
    to->party.role = facts->party.role;
    to->party.file = facts->party.file; /* only whether there was one */
}

bool classify_same_facts(const struct classify_facts *a, const struct classify_facts *b)
{
    return a->party.role == b->party.role && strcmp(a->party.host, b->party.host) == 0 &&
           strcmp(a->named.registry, b->named.registry) == 0 && a->party.file.len == 0 &&
           b->party.file.len == 0;
}

struct advice_facts classify_advice_facts(const struct classify_facts *facts)
{
    return (struct advice_facts){
        .registry = str_from(facts->named.registry),
        .failed_host = str_from(facts->party.host),
        .failed_role = facts->party.role < ROLE_MAX ? facts->party.role : ROLE_REGISTRY,
        .file = facts->party.file,
    };
}
