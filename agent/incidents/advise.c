/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/advise.h"

#include "agent/classify/message.h"

/* Names of Secrets that are written; the JSON has all of them. */
#define NAMES_MAX 4u

/* How the kubelet finds a login in a Secret: pkg/credentialprovider/secrets/secrets.go,
 * MakeDockerKeyring(); keyring.go, URLsMatch(). */
#define TYPE_AND_KEY                                                                               \
    "its type must be kubernetes.io/dockerconfigjson, and its key the registry's host with its "   \
    "port"

/* `"a", "b" and 3 more` */
static void add_names(struct buf *out, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n && i < NAMES_MAX; i++)
        buf_printf(out, "%s\"%s\"", i ? ", " : "", names[i]);
    if (n > NAMES_MAX)
        buf_printf(out, " and %zu more", n - NAMES_MAX);
}

static bool is_missing(const struct snapshot_incident *incident, const char *secret)
{
    for (size_t i = 0; i < incident->n_missing_pull_secrets; i++)
        if (strcmp(incident->missing_pull_secrets[i], secret) == 0)
            return true;
    return false;
}

/* The pod's Secrets that the kubelet could read; returns their number. */
static size_t others(const struct snapshot_incident *incident,
                     const char *ret[LIMIT_PULL_SECRETS_PER_POD])
{
    size_t n = 0;

    for (size_t i = 0; i < incident->n_pull_secrets && n < LIMIT_PULL_SECRETS_PER_POD; i++)
        if (!is_missing(incident, incident->pull_secrets[i]))
            ret[n++] = incident->pull_secrets[i];
    return n;
}

/* kubelet: pkg/kubelet/kubelet_pods.go, getPullSecretsForPod(): the event comes from any error. */
static void add_missing(struct buf *out, const struct snapshot_incident *incident)
{
    buf_printf(out, "The pull Secret%s ", incident->n_missing_pull_secrets > 1 ? "s" : "");
    add_names(out, incident->missing_pull_secrets, incident->n_missing_pull_secrets);
    buf_add_text(out, ", which the pod names, could not be read; as a rule this means that the "
                      "Secret does not exist in the pod's namespace: create it there, or correct "
                      "the name in imagePullSecrets.");
}

static void add_others(struct buf *out, const struct snapshot_incident *incident)
{
    const char *names[LIMIT_PULL_SECRETS_PER_POD];
    size_t n = others(incident, names);

    if (n == 0)
        return;
    buf_add_text(out, " The pod's other pull Secrets can be wrong, too (");
    add_names(out, names, n);
    advice_add(out, "): if one of them is for %r, its login was refused.",
               str_from(incident->registry));
}

/* The pod names no Secret. Those of a ServiceAccount are copied into a pod when it is created
 * (plugin/pkg/admission/serviceaccount/admission.go). */
static void add_no_secrets(struct buf *out, const struct snapshot_incident *incident)
{
    buf_add_text(out, " Note that the pod has no imagePullSecrets");
    if (incident->verdict.reason == REASON_NO_CREDENTIALS)
        buf_add_text(out, "; those of its ServiceAccount count only for new pods, so delete the "
                          "pod after the change, and its controller creates it again.");
    else
        buf_add_text(out, ": if a login was sent, it is the node's own (the kubelet's credential "
                          "provider or config.json, the runtime's configuration).");
}

/* The message proves that the kubelet found no login in them. */
static void add_passed_over(struct buf *out, const struct snapshot_incident *incident)
{
    buf_add_text(out, " For the kubelet, none of the pod's imagePullSecrets is for this registry "
                      "(");
    add_names(out, incident->pull_secrets, incident->n_pull_secrets);
    buf_add_text(out, "): look at the Secret; " TYPE_AND_KEY ".");
}

static void add_about_secrets(struct buf *out, const struct snapshot_incident *incident)
{
    if (incident->n_missing_pull_secrets) {
        buf_add_byte(out, ' ');
        add_missing(out, incident);
    } else if (incident->n_pull_secrets == 0) {
        add_no_secrets(out, incident);
    } else if (incident->verdict.reason == REASON_NO_CREDENTIALS) {
        add_passed_over(out, incident);
    }
}

/* The registry's words are the same with and without a login: nothing says what was sent. */
static void add_refused(struct buf *out, const struct snapshot_incident *incident)
{
    const struct str registry = str_from(incident->registry);

    if (incident->n_pull_secrets == 0) {
        advice_add(out,
                   "%r refused the pull, and the pod has no imagePullSecrets: add one for %r to "
                   "the pod or its ServiceAccount, and delete the pod, because those of a "
                   "ServiceAccount count only for new pods; if the node logs in by itself "
                   "(credential provider, the runtime's configuration), renew that login.",
                   registry);
        return;
    }
    advice_add(out,
               "%r refused the pull, and its answer is the same with and without a login: check "
               "that the pull Secret is for %r (" TYPE_AND_KEY "), and that the user name and "
               "password or token in it are valid. The pod names ",
               registry);
    add_names(out, incident->pull_secrets, incident->n_pull_secrets);
    buf_add_byte(out, '.');
    if (incident->n_missing_pull_secrets) {
        buf_add_byte(out, ' ');
        add_missing(out, incident);
    }
}

/* kubelet since 1.35: pkg/kubelet/images/pullmanager; the kubelet says "not present" on purpose. */
static void add_never_pull(struct buf *out, const struct snapshot_incident *incident)
{
    buf_add_text(out, "The image is on the node, but this pod has not proved that it may use it: "
                      "give the pod the pull Secret that pulled the image, or one with the same "
                      "login (since 1.35 the kubelet checks this, and then says that the image is "
                      "not present).");
    if (incident->n_missing_pull_secrets) {
        buf_add_byte(out, ' ');
        add_missing(out, incident);
    }
}

static void add_for_reason(struct buf *out, const struct snapshot_incident *incident)
{
    const struct verdict verdict = { .cause = incident->verdict.cause,
                                     .reason = incident->verdict.reason,
                                     .stage = incident->verdict.stage,
                                     .ambiguous_with = incident->verdict.ambiguous_with };
    const struct advice_facts facts = {
        .registry = str_from(incident->registry),
        .failed_host = str_from(incident->failed_host),
        .failed_role = incident->failed_role < ROLE_MAX ? incident->failed_role : ROLE_REGISTRY,
        .file = str_from(incident->config_file),
    };

    advice_write(out, &verdict, &facts);
}

static void add_for_unauthorized(struct buf *out, const struct snapshot_incident *incident)
{
    if (incident->verdict.reason == REASON_PULL_SECRET_MISSING &&
        incident->n_missing_pull_secrets) {
        add_missing(out, incident);
        add_others(out, incident);
    } else if (incident->failed_role == ROLE_MIRROR) {
        add_for_reason(out, incident);
    } else if (incident->verdict.sent_unknown) {
        add_refused(out, incident);
    } else {
        add_for_reason(out, incident);
        add_about_secrets(out, incident);
    }
    if (incident->image_withheld)
        buf_add_text(out, " The image is on the node already, but another login pulled it: the "
                          "kubelet (since 1.35) lets this pod use it after a pull with its own.");
}

static void add_for_incident(struct buf *out, const struct snapshot_incident *incident)
{
    if (incident->verdict.cause == CAUSE_UNAUTHORIZED) {
        add_for_unauthorized(out, incident);
    } else if (incident->verdict.reason == REASON_NEVER_PULL && incident->image_withheld) {
        add_never_pull(out, incident);
    } else {
        add_for_reason(out, incident);
        if (incident->verdict.reason == REASON_PULL_SECRET_MALFORMED && incident->n_pull_secrets) {
            buf_add_text(out, " The pod names ");
            add_names(out, incident->pull_secrets, incident->n_pull_secrets);
            buf_add_byte(out, '.');
        }
    }
}

void advise_write(struct buf *out, const struct snapshot_incident *incident)
{
    add_for_incident(out, incident);
    if (incident->overdue_since_us)
        buf_add_text(out, " The kubelet does not try again, although it waits for 5 minutes at "
                          "most: delete the pod, so that it is created again; if other pods of "
                          "the node wait, too, read the kubelet's log and restart it.");
}
