/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/names.h"

#include <errno.h>
#include <stdbool.h>

#include "limit.h"
#include "shared.h"

static bool same(const struct names *names, const struct str *texts, size_t n)
{
    if (names_count(names) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!str_eq(str_from(names->at[i]), str_head(texts[i], LIMIT_NAME_TEXT)))
            return false;
    return true;
}

int names_replace(const struct names **names, const struct str *texts, size_t n)
{
    struct names *made = NULL;
    size_t bytes = sizeof(*made) + n * sizeof(made->at[0]);
    char *at;

    if (same(*names, texts, n))
        return 0;
    for (size_t i = 0; i < n; i++)
        bytes += str_head(texts[i], LIMIT_NAME_TEXT).len + 1;
    if (n) {
        made = shared_alloc(bytes);
        if (!made)
            return -ENOMEM;
        made->n = n;
        at = (char *)&made->at[n];
        for (size_t i = 0; i < n; i++)
            made->at[i] = shared_pack(&at, str_head(texts[i], LIMIT_NAME_TEXT));
    }
    shared_unref(*names);
    *names = made;
    return 0;
}
