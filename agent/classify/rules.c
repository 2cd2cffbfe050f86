/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/rules.h"

#include <string.h>

#include "util.h"

/* The order does not matter: the rank decides (rules.h). */
const struct rule_table *const rule_tables[] = {
    &rules_local, &rules_node, &rules_image, &rules_network, &rules_registry, &rules_elsewhere,
};

const size_t n_rule_tables = ARRAY_SIZE(rule_tables);

const struct rule *rule_for(uint16_t number, wrapper_set has)
{
    const struct rule *first = rule_at(number);
    const struct rule_table *table = rule_tables[number / RULE_TABLE_ROWS];

    for (const struct rule *r = first; r < table->rows + table->n; r++) {
        if (r != first && strcmp(r->phrase, first->phrase) != 0)
            return NULL;
        if ((r->needs & has) == r->needs)
            return r;
    }
    return NULL;
}
