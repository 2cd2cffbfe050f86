/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verdict of a message: the best explanation of each part (by rank, see rules.h), then the best
 * part. If several parts disagree, the order is:
 *
 *  1. a part that a phrase explains, before one that only its wrappers explain;
 *  2. a part that was reading layers, before others: the registry had accepted it and had the
 *     image. (A layer's download broke, then the same pull without credentials was refused. The
 *     broken download is the cause.)
 *  3. a definite answer, before an error of the registry, before an error of the network (a mirror
 *     is down, the registry answers "manifest unknown");
 *  4. the registry that the image names, before its mirrors: a mirror need not have the image (404
 *     by the mirror, then "denied" by the registry);
 *  5. the part that got further: manifest, then token, then connection;
 *  6. the first one: the kubelet tries the pod's own credentials first.
 */
#include "agent/classify/message.h"

#include <string.h>

#include "agent/classify/party.h"
#include "agent/classify/rules.h"
#include "agent/classify/trace.h"
#include "agent/classify/wrappers.h"
#include "util.h"

#define UNAUTHORIZED_HTTP 401
#define UNAUTHENTICATED_GRPC 16

struct finding {
    enum reason reason;
    enum rank rank;
    const char *rule;
    bool in_page;

    /*
     * The words are the same with and without a login. containerd's "no basic auth credentials" and
     * "failed to fetch anonymous token" prove that none was sent; its "failed to fetch oauth token"
     * and "incorrect username or password" prove that one was. A bare 401 proves nothing: quay.io
     * refuses an anonymous token with it.
     */
    bool either_way;
};

/* Only a pull comes this far. */
#define W_OF_A_PULL (W_PULL | W_BACK_OFF | W_RESOLVE | W_AUTH | W_MANIFEST | W_BLOB | W_UNPACK)

static bool has_all(wrapper_set needs, const struct message_part *part)
{
    return (part->wrappers & needs) == needs;
}

static bool find_status(const struct message_part *part, struct finding *ret)
{
    for (size_t i = 0; part->http_status != 0 && i < n_status_rules; i++) {
        const struct status_rule *s = &status_rules[i];

        if (part->http_status < s->first || part->http_status > s->last || !has_all(s->needs, part))
            continue;
        *ret = (struct finding){ .reason = s->reason,
                                 .rank = RANK_STATUS,
                                 .rule = s->name,
                                 .either_way = part->http_status == UNAUTHORIZED_HTTP };
        if (s->reason == REASON_TOO_MANY_REQUESTS)
            ret->rank = RANK_LIMIT;
        if (s->reason == REASON_UNEXPECTED_STATUS) /* an error code next to it tells more */
            ret->rank = RANK_ABORTED;
        return true;
    }
    return false;
}

/*
 * Returns the hit with the highest rank, and the last one if ranks are equal. After an HTTP status,
 * phrases of the network are skipped: the registry reports its own problems there. Phrases in a
 * page are the weakest: a page can hold any text.
 */
static bool find_hit(const struct message *message, const struct message_part *part,
                     struct finding *ret)
{
    bool found = false;

    for (size_t i = part->first_hit; i < (size_t)part->first_hit + part->n_hits; i++) {
        const struct rule *rule = rule_for(message->hits[i].rule, part->wrappers);
        bool in_page = message->hits[i].in_page;

        if (!rule || (rule->rank == RANK_ELSEWHERE && part->wrappers & W_OF_A_PULL) ||
            (message->hits[i].in_answer &&
             (rule->rank == RANK_TRANSPORT || rule->rank == RANK_VAGUE)))
            continue;
        if (found &&
            (in_page > ret->in_page || (in_page == ret->in_page && rule->rank < ret->rank)))
            continue;
        *ret = (struct finding){ .reason = rule->reason,
                                 .rank = rule->rank,
                                 .rule = rule->name,
                                 .in_page = in_page,
                                 .either_way = rule->either_way };
        found = true;
    }
    return found;
}

static bool find_fallback(const struct message_part *part, struct finding *ret)
{
    for (size_t i = 0; i < n_fallback_rules; i++) {
        const struct fallback_rule *rule = &fallback_rules[i];

        if ((rule->grpc_code >= 0 && rule->grpc_code != part->grpc_code) ||
            !has_all(rule->needs, part))
            continue;
        *ret = (struct finding){ .reason = rule->reason,
                                 .rank = RANK_HINT,
                                 .rule = rule->name,
                                 .either_way = rule->grpc_code == UNAUTHENTICATED_GRPC };
        if (rule->needs & W_UNPACK) /* all layers had arrived: as good as a phrase */
            ret->rank = RANK_GENERIC;
        return true;
    }
    return false;
}

/* A 404 with an answer that no registry gives. Not of a manifest or layer: for those,
 * containers/image has found a registry before it asks. */
static bool is_foreign(const struct finding *hit, const struct finding *status)
{
    return hit->reason == REASON_MALFORMED_RESPONSE && hit->rank >= RANK_CODE &&
           status->reason == REASON_IMAGE_NOT_FOUND;
}

/* If status and phrase agree, the phrase decides, because it is more exact. Else the one with
 * the higher rank decides. */
static bool find_best(const struct message *message, const struct message_part *part,
                      struct finding *ret)
{
    struct finding status;
    struct finding hit;
    bool has_status = find_status(part, &status);
    bool has_hit = find_hit(message, part, &hit);

    if (has_hit && has_status) {
        bool agree = reason_cause(hit.reason) == reason_cause(status.reason);

        if (hit.in_page)
            hit.rank = RANK_HINT;
        *ret =
            (agree && hit.rank >= RANK_CODE) || hit.rank > status.rank || is_foreign(&hit, &status)
                ? hit
                : status;
        return true;
    }
    if (has_status || (has_hit && hit.rank > RANK_HINT)) {
        *ret = has_hit ? hit : status;
        return true;
    }
    if (find_fallback(part, ret))
        return true;
    if (has_hit)
        *ret = hit;
    return has_hit;
}

static enum stage stage_of(const struct message_part *part, enum reason reason)
{
    enum cause cause = reason_cause(reason);
    wrapper_set w = part->wrappers;

    if (cause == CAUSE_CONFIG || reason == REASON_PULL_QPS_EXCEEDED ||
        reason == REASON_RUNTIME_UNAVAILABLE || reason == REASON_CREDENTIAL_PROVIDER_FAILED ||
        w & W_INSPECT)
        return STAGE_LOCAL;
    if (w & W_UNPACK || reason == REASON_UNPACK_FAILED || reason == REASON_CORRUPT_LAYER)
        return STAGE_UNPACK;
    if (w & W_BLOB && !(w & W_MANIFEST))
        return STAGE_BLOB;
    switch (cause) {
    case CAUSE_UNAUTHORIZED:
        return STAGE_AUTH;
    case CAUSE_NOT_FOUND:
        return reason == REASON_BLOB_UNKNOWN ? STAGE_BLOB : STAGE_MANIFEST;
    case CAUSE_BAD_IMAGE:
        return reason == REASON_DIGEST_MISMATCH ? STAGE_BLOB : STAGE_MANIFEST;
    default:
        break;
    }
    if (w & W_AUTH)
        return STAGE_AUTH;
    if (cause == CAUSE_NETWORK && !(w & W_BLOB))
        return STAGE_RESOLVE;
    if (w & W_MANIFEST)
        return STAGE_MANIFEST;
    return w & W_RESOLVE ? STAGE_RESOLVE : STAGE_MAX;
}

/* The order of the comment at the top of this file, as one number. */
static unsigned weight(const struct message_part *part, const struct finding *found,
                       enum stage stage)
{
    enum cause cause = reason_cause(found->reason);
    unsigned answer = cause == CAUSE_NETWORK ? 0 : cause == CAUSE_REGISTRY_ERROR ? 1 : 2;
    unsigned reading = stage == STAGE_BLOB || stage == STAGE_UNPACK;
    unsigned own = !(part->wrappers & W_MIRROR && cause == CAUSE_NOT_FOUND);
    unsigned depth = stage < STAGE_MAX ? (unsigned)stage : 0;
    unsigned explained = found->rank > RANK_HINT;

    if (found->reason == REASON_NOT_A_PULL)
        return 0;
    return explained * 10000 + reading * 1000 + answer * 100 + own * 10 + depth;
}

/* The finding when no part is explained. */
static struct finding find_without_parts(const struct message *message)
{
    static const struct finding never_pull = { .reason = REASON_NEVER_PULL,
                                               .rule = "waiting-never-pull" };
    static const struct finding invalid_name = { .reason = REASON_INVALID_REFERENCE,
                                                 .rule = "waiting-invalid-name" };
    static const struct finding signature = { .reason = REASON_SIGNATURE_REJECTED,
                                              .rule = "waiting-signature" };
    static const struct finding unavailable = { .reason = REASON_UNREACHABLE,
                                                .rule = "waiting-unavailable" };
    static const struct finding back_off = { .reason = REASON_BACK_OFF_ONLY,
                                             .rule = "back-off-only" };
    static const struct finding unknown = { .reason = REASON_UNCLASSIFIED, .rule = "unclassified" };

    if (str_eq(message->waiting_reason, STR("ErrImageNeverPull")))
        return never_pull;
    if (str_eq(message->waiting_reason, STR("InvalidImageName")))
        return invalid_name;
    if (str_eq(message->waiting_reason, STR("SignatureValidationFailed")))
        return signature;
    if (str_eq(message->waiting_reason, STR("RegistryUnavailable")))
        return unavailable;
    if (message->n_parts == 0 && (message->back_off || message->pull ||
                                  str_eq(message->waiting_reason, STR("ImagePullBackOff")) ||
                                  str_eq(message->waiting_reason, STR("ErrImagePull"))))
        return back_off;
    return unknown;
}

/* Registries answer "manifest unknown" for tags and digests; the image name tells which it was. */
static enum reason refine(enum reason reason, struct str image)
{
    if (reason != REASON_MANIFEST_UNKNOWN && reason != REASON_IMAGE_NOT_FOUND)
        return reason;
    return str_find(image, STR("@sha")) ? REASON_DIGEST_UNKNOWN : reason;
}

/* Registries that refuse to say whether a repository exists. `text` begins with their host. */
static bool hides_what_is_missing(struct str text)
{
    static const struct str hosts[] = { STR("ghcr.io"), STR("gcr.io"), STR("pkg.dev"),
                                        STR("azurecr.io") };
    struct str host = party_host(text);

    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
        if (str_ends(host, hosts[i]))
            return true;
    return false;
}

/* Whether the image may as well be missing. Google adds "(or it may not exist)". A 404 of something
 * that is no registry can be a path that it does not have. */
static bool may_be_missing(const struct message *message, const struct message_part *part,
                           enum reason reason, const char *rule)
{
    switch (reason) {
    case REASON_DENIED_OR_MISSING:
    case REASON_INSUFFICIENT_SCOPE:
        return true;
    case REASON_NO_CREDENTIALS:
        return hides_what_is_missing(message->image) ||
               (part && hides_what_is_missing(part->hosts.url));
    case REASON_FORBIDDEN:
        return strcmp(rule, "gcp-permission") == 0 &&
               str_find(message->text, STR("or it may not exist"));
    case REASON_MALFORMED_RESPONSE:
        return part && part->http_status == 404;
    default:
        return false;
    }
}

/* Whether anything says that the text is about an image. */
static bool is_about_an_image(const struct message *message)
{
    if (message->waiting_reason.len > 0 || message->image.len > 0 || message->pull ||
        message->back_off)
        return true;
    for (size_t i = 0; i < message->n_parts; i++) {
        const struct message_part *part = &message->parts[i];

        if (part->wrappers & (W_OF_A_PULL | W_INSPECT | W_LAZY | W_CREDENTIALS) ||
            (part->hosts.url.len > 0 && party_is_of_a_registry(part->hosts.url)))
            return true;
    }
    return false;
}

/*
 * Words that say something only in a text about an image: everything can be "not found", fail with
 * "Internal", or time out, and every program has requests that get no answer.
 */
static bool is_guess(const struct message_part *part, const struct finding *found)
{
    enum cause cause = reason_cause(found->reason);

    if (cause == CAUSE_NETWORK) /* a sandbox also needs a network, a shim and a guest */
        return part->wrappers & W_SANDBOX || part->hosts.url.len > 0 || found->rank == RANK_VAGUE ||
               (found->rank == RANK_ABORTED && part->grpc_code < 0) ||
               (found->reason == REASON_CONNECT_REFUSED && !(part->wrappers & W_DIAL));
    if (cause == CAUSE_UNAUTHORIZED)
        return found->rank == RANK_HINT;
    return found->rank <= RANK_GENERIC && (cause == CAUSE_NOT_FOUND || cause == CAUSE_NODE);
}

/* The kubelet asked the runtime on its node for an image, and nobody asked a registry. */
static bool is_of_the_runtime(const struct message_part *part, enum reason reason)
{
    return part->wrappers & W_INSPECT && !(part->wrappers & (W_PULL | W_BACK_OFF)) &&
           reason_cause(reason) == CAUSE_NETWORK;
}

struct verdict classify(const struct message *message)
{
    struct finding best = find_without_parts(message);
    const struct message_part *chosen = NULL;
    enum stage stage = reason_cause(best.reason) == CAUSE_CONFIG ? STAGE_LOCAL : STAGE_MAX;
    unsigned best_weight = 0;

    for (size_t i = 0; i < message->n_parts; i++) {
        const struct message_part *part = &message->parts[i];
        struct finding found;
        enum stage its_stage;
        bool elsewhere;

        if (!find_best(message, part, &found))
            continue;
        if (is_of_the_runtime(part, found.reason))
            found.reason = REASON_RUNTIME_ERROR;
        elsewhere = found.reason == REASON_NOT_A_PULL && !is_about_an_image(message);
        its_stage = stage_of(part, found.reason);
        if (chosen && !elsewhere && weight(part, &found, its_stage) <= best_weight)
            continue;
        chosen = part;
        best = found;
        best_weight = weight(part, &found, its_stage);
        stage = its_stage;
        if (elsewhere) /* whatever the other parts say */
            break;
    }
    if (chosen && is_guess(chosen, &best) && !is_about_an_image(message)) {
        best = find_without_parts(message);
        chosen = NULL;
        stage = reason_cause(best.reason) == CAUSE_CONFIG ? STAGE_LOCAL : STAGE_MAX;
    }
    if (best.reason == REASON_NOT_A_PULL && message->waiting_reason.len > 0)
        best.reason = REASON_UNCLASSIFIED; /* somebody who knows says that it is about a pull */
    return (struct verdict){
        .cause = reason_cause(best.reason),
        .reason = refine(best.reason, message->image),
        .stage = stage,
        .http_status = chosen ? chosen->http_status : 0,
        .sent_unknown = chosen && best.either_way &&
                        reason_cause(best.reason) == CAUSE_UNAUTHORIZED &&
                        !(chosen->wrappers & (W_ANONYMOUS | W_LOGIN)),
        .ambiguous_with = may_be_missing(message, chosen, best.reason, best.rule)
                              ? UINT32_C(1) << CAUSE_NOT_FOUND
                              : 0,
        .part = chosen ? (int)(chosen - message->parts) : -1,
        .rule = best.rule,
    };
}

/* ---- explanations -----------------------------------------------------------------------------
 */

struct runners_up {
    const struct message *message;
    const struct verdict *verdict;
    struct explanation *trace;
    unsigned strength[EXPLAIN_RUNNERS_UP_MAX];
};

/* Keeps the list sorted. If two rules are equal, the earlier one in the text comes first. */
static void add_runner_up(struct runners_up *list, const struct message_part *part,
                          const struct finding *found)
{
    struct explanation *trace = list->trace;
    unsigned number = (unsigned)(part - list->message->parts);
    unsigned strength =
        weight(part, found, stage_of(part, found->reason)) * (RANK_LOCAL + 1) + found->rank;
    size_t at = trace->n_runners_up;

    if ((int)number == trace->part && strcmp(found->rule, list->verdict->rule) == 0)
        return;
    for (size_t i = 0; i < trace->n_runners_up; i++)
        if (trace->runners_up[i].part == number &&
            strcmp(trace->runners_up[i].name, found->rule) == 0)
            return;
    while (at > 0 && list->strength[at - 1] < strength)
        at--;
    if (at == EXPLAIN_RUNNERS_UP_MAX)
        return;
    if (trace->n_runners_up < EXPLAIN_RUNNERS_UP_MAX)
        trace->n_runners_up++;
    for (size_t i = trace->n_runners_up - 1; i > at; i--) {
        trace->runners_up[i] = trace->runners_up[i - 1];
        list->strength[i] = list->strength[i - 1];
    }
    trace->runners_up[at] =
        (struct explain_rule){ .name = found->rule, .reason = found->reason, .part = number };
    list->strength[at] = strength;
}

void classify_runners_up(const struct message *message, const struct verdict *verdict,
                         struct explanation *trace)
{
    struct runners_up list = { .message = message, .verdict = verdict, .trace = trace };

    for (size_t i = 0; i < message->n_parts; i++) {
        const struct message_part *part = &message->parts[i];
        struct finding found;

        if (find_status(part, &found))
            add_runner_up(&list, part, &found);
        for (size_t h = part->first_hit; h < (size_t)part->first_hit + part->n_hits; h++) {
            const struct rule *rule = rule_for(message->hits[h].rule, part->wrappers);

            if (!rule)
                continue;
            found = (struct finding){ .reason = rule->reason,
                                      .rank = message->hits[h].in_page ? RANK_HINT : rule->rank,
                                      .rule = rule->name };
            add_runner_up(&list, part, &found);
        }
        if (find_fallback(part, &found))
            add_runner_up(&list, part, &found);
    }
}
