/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/tenants.h"

#include "mem.h"

struct tenant *tenant_find(const struct tenants *tenants, struct str name)
{
    struct tenant *tenant = tenants->first;

    while (tenant && !str_eq(str_from(tenant->name), name))
        tenant = tenant->next;
    return tenant;
}

struct tenant *tenant_ref(struct tenant *tenant)
{
    tenant->references++;
    return tenant;
}

struct tenant *tenant_of(struct tenants *tenants, struct str name)
{
    struct tenant *tenant = tenant_find(tenants, name);
    char *text;

    if (tenant)
        return tenant_ref(tenant);
    tenant = mem_zalloc(sizeof(*tenant) + name.len + 1);
    if (!tenant)
        return NULL;
    text = (char *)(tenant + 1);
    memcpy(text, name.at, name.len);
    *tenant = (struct tenant){ .next = tenants->first, .tenants = tenants, .name = text };
    tenants->first = tenant;
    return tenant_ref(tenant);
}

void tenant_unref(struct tenant *tenant)
{
    struct tenant **link;

    if (!tenant || --tenant->references > 0)
        return;
    for (link = &tenant->tenants->first; *link != tenant; link = &(*link)->next)
        ;
    *link = tenant->next;
    mem_free(tenant);
}
