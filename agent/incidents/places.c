/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/places.h"

#include "agent/incidents/incidents.h"
#include "agent/incidents/pods.h"
#include "agent/incidents/tenants.h"
#include "agent/incidents/waiting.h"
#include "hash.h"

/* --- pods ------------------------------------------------------------------ */

/* How much a pod needs its place. */
enum need { NEED_NOTHING_MORE, NEED_RUNS, NEED_STARTS, NEED_FAILS, NEED_MAX };

static enum need need_of(const struct pod *pod)
{
    if (pod->terminal)
        return NEED_NOTHING_MORE;
    if (pod->failing)
        return NEED_FAILS;
    return pod->waiting ? NEED_STARTS : NEED_RUNS;
}

static enum need need_of_fact(const struct pod_fact *fact)
{
    enum need need = NEED_RUNS;

    if (fact->deleting)
        return NEED_NOTHING_MORE;
    for (size_t i = 0; i < fact->n_containers; i++) {
        enum pull_class pull = pull_class_of(&fact->containers[i]);

        if (pull != PULL_SILENT && pull != PULL_DONE)
            return NEED_FAILS;
        if (pull == PULL_SILENT)
            need = NEED_STARTS;
    }
    return need;
}

/* The newest of the pods of `tenant` that need their place least, but less than `below`. */
static struct pod *least_needed(const struct pods *pods, const struct tenant *tenant,
                                enum need below)
{
    struct pod *found = NULL;

    for (struct pod *pod = pods->last; pod && below > NEED_NOTHING_MORE; pod = pod->previous) {
        if (pod->tenant != tenant || need_of(pod) >= below)
            continue;
        found = pod;
        below = need_of(pod);
    }
    return found;
}

struct pod *places_pod(const struct pods *pods, const struct pod_fact *newcomer)
{
    const struct tenant *own = tenant_find(pods->tenants, newcomer->namespace);
    const struct tenant *largest = pods->tenants->first;
    enum need need = need_of_fact(newcomer);

    for (const struct tenant *i = largest; i; i = i->next)
        if (i->pods > largest->pods)
            largest = i;
    if (largest && largest->pods >= (own ? own->pods : 0) + 2)
        return least_needed(pods, largest, need >= NEED_STARTS ? NEED_MAX : need);
    return own ? least_needed(pods, own, need) : NULL;
}

static struct left_out_pod *find_left_out(struct pods *pods, uint64_t hash)
{
    for (size_t i = 0; i < pods->n_left_out; i++)
        if (pods->left_out[i].hash == hash)
            return &pods->left_out[i];
    return NULL;
}

void places_leave_out(struct pods *pods, struct str uid)
{
    uint64_t hash = hash_str(uid);
    struct left_out_pod *row = find_left_out(pods, hash);

    pods->overflowed = true;
    if (!row && pods->n_left_out < LIMIT_PODS)
        row = &pods->left_out[pods->n_left_out++];
    if (row)
        *row = (struct left_out_pod){ .hash = hash, .generation = pods->generation };
}

void places_found(struct pods *pods, struct str uid)
{
    struct left_out_pod *row = pods->n_left_out ? find_left_out(pods, hash_str(uid)) : NULL;

    if (row)
        *row = pods->left_out[--pods->n_left_out];
}

void places_listed(struct pods *pods)
{
    size_t kept = 0;

    for (size_t i = 0; i < pods->n_left_out; i++)
        if (pods->left_out[i].generation == pods->generation)
            pods->left_out[kept++] = pods->left_out[i];
    pods->n_left_out = kept;
}

/* --- incidents ------------------------------------------------------------- */

static size_t ended_of(const struct tenant *tenant)
{
    return tenant->incidents - tenant->open_incidents;
}

static struct incident *oldest_ended(const struct incidents *incidents)
{
    const struct tenant *most = incidents->pods->tenants->first;
    struct incident *found = incidents->first;

    for (const struct tenant *i = most; i; i = i->next)
        if (ended_of(i) > ended_of(most))
            most = i;
    while (found && (found->tenant != most || incident_state_open(found->state)))
        found = found->next;
    return found;
}

/* Whether an older open incident tells of the same pod. */
static bool is_duplicate(const struct incidents *incidents, const struct incident *incident)
{
    const struct pod *pod = pod_find_hashed(incidents->pods, str_from(incident->pull->pod_uid),
                                            incident->pull->pod_hash);

    return pod && incident_next_open(incidents, pod, NULL) != incident;
}

/* The newest open incident of `tenant` about a pod that has another one; else, if `any`, the newest
 * open one. */
static struct incident *surplus_of(const struct incidents *incidents, const struct tenant *tenant,
                                   bool any)
{
    struct incident *newest = NULL;

    for (struct incident *i = incidents->last; i; i = i->previous) {
        if (i->tenant != tenant || !incident_state_open(i->state))
            continue;
        if (is_duplicate(incidents, i))
            return i;
        if (any && !newest)
            newest = i;
    }
    return newest;
}

struct incident *places_incident(const struct incidents *incidents, const struct pod *newcomer)
{
    const struct tenant *largest = incidents->pods->tenants->first;
    struct incident *ended = oldest_ended(incidents);

    if (ended)
        return ended;
    for (const struct tenant *i = largest; i; i = i->next)
        if (i->open_incidents > largest->open_incidents)
            largest = i;
    if (largest && largest->open_incidents >= newcomer->tenant->open_incidents + 2)
        return surplus_of(incidents, largest, true);
    if (incident_next_open(incidents, newcomer, NULL))
        return NULL;
    return surplus_of(incidents, newcomer->tenant, false);
}
