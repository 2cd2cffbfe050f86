/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/message.h"

#include "buf.h"

/*
 * One sentence per reason. "%r" is the registry, or "the registry" where it is
 * unknown. A sentence names what to change and where; what the facts add (no
 * imagePullSecrets on the pod, a Secret that does not exist) is appended.
 */
static const char *const advice[REASON_MAX] = {
    [REASON_NO_CREDENTIALS] =
        "%r wants credentials and none were sent: add an imagePullSecret for %r to the pod or its "
        "ServiceAccount, or give the node's credential provider access",
    [REASON_BAD_CREDENTIALS] =
        "%r refused the credentials: check that the pull Secret is for %r, and renew the user name "
        "and password or token in it",
    [REASON_TOKEN_EXPIRED] = "The token for %r has expired: renew the pull Secret, and let "
                             "something refresh it before it "
                             "expires",
    [REASON_FORBIDDEN] =
        "%r knows who asks and says no: grant the account pull access to this repository, "
        "and check address rules and pull policies of the registry",
    [REASON_INSUFFICIENT_SCOPE] =
        "The token from %r does not cover this repository: grant the account pull access to it, or "
        "correct the repository's name",
    [REASON_DENIED_OR_MISSING] =
        "%r does not say whether the repository is private or missing: check the "
        "image's name for typos, then the pull credentials",
    [REASON_PULL_SECRET_MISSING] = "A pull Secret that the pod names does not exist in its "
                                   "namespace: create it, or correct the "
                                   "name in imagePullSecrets",
    [REASON_CREDENTIAL_PROVIDER_FAILED] =
        "The credential helper or plugin for %r failed on the node: check that it is installed and "
        "configured, and what the kubelet's log says of it",
    [REASON_MANIFEST_UNKNOWN] =
        "%r has no such tag or digest: push it, or correct the tag in the pod's spec",
    [REASON_REPOSITORY_UNKNOWN] =
        "%r has no such repository: correct the image's name, or push the image first",
    [REASON_IMAGE_NOT_FOUND] =
        "%r has no such image: check repository and tag for typos, or push it",
    [REASON_DIGEST_UNKNOWN] =
        "%r has no such digest: it was deleted or never pushed there; pin one that exists",
    [REASON_BLOB_UNKNOWN] = "%r lists a layer that it does not have: push the image again, and "
                            "check the registry's garbage "
                            "collection or its upstream",
    [REASON_DNS_NOT_FOUND] = "The node cannot resolve the host name: check %r for typos, and that "
                             "the node's DNS servers know it",
    [REASON_DNS_FAILURE] =
        "The node's DNS servers do not answer: check /etc/resolv.conf on the node and the way "
        "to the name servers",
    [REASON_CONNECT_REFUSED] =
        "Nothing accepts connections at the address and port of %r: check that the service runs, "
        "the port, and firewalls that reject",
    [REASON_CONNECT_TIMEOUT] =
        "Packets from the node to %r get no answer: check firewalls, security groups, "
        "NAT and whether a proxy is needed",
    [REASON_UNREACHABLE] =
        "The node cannot reach %r: check its routes, network interfaces and firewalls",
    [REASON_CONNECTION_RESET] =
        "The connection to %r was cut: check proxies, firewalls and load balancers in "
        "between, and the MTU; a retry may succeed",
    [REASON_UNEXPECTED_EOF] =
        "%r closed the connection before its answer was complete: check its log and "
        "the proxies in between; a retry may succeed",
    [REASON_TLS_UNKNOWN_AUTHORITY] = "The node does not trust the certificate of %r: add the "
                                     "authority that signed it to the node or "
                                     "to the runtime's certificates for %r",
    [REASON_TLS_EXPIRED] =
        "The certificate of %r is not valid now: renew it, and check the node's clock",
    [REASON_TLS_HOSTNAME] = "The certificate of %r was issued for another name: issue one for the "
                            "name or address that is "
                            "used, or use the name that it has",
    [REASON_TLS_HANDSHAKE_TIMEOUT] =
        "%r accepts connections but does not finish the TLS handshake: check its load, "
        "and firewalls that inspect TLS",
    [REASON_TLS_HANDSHAKE_FAILED] =
        "Node and %r cannot agree on TLS: check the TLS versions, client certificates and "
        "certificate of the registry",
    [REASON_HTTP_TO_HTTPS] =
        "%r and the node do not agree on HTTP or HTTPS: enable TLS there, or declare it as an "
        "insecure registry in the runtime's configuration",
    [REASON_PROXY_FAILED] =
        "The HTTP proxy of the runtime failed or refused: check HTTPS_PROXY and NO_PROXY of the "
        "runtime's service and whether the proxy lets %r through",
    [REASON_RESPONSE_TIMEOUT] =
        "%r took the request and did not answer in time: check its load and health",
    [REASON_DEADLINE] =
        "The pull took longer than it may: check the speed of the way to %r and the image's size, "
        "or raise the runtime's pull timeouts",
    [REASON_PULL_STALLED] =
        "%r stopped sending and the pull was given up: check the registry or its blob store, and "
        "the network in between",
    [REASON_TOO_MANY_REQUESTS] =
        "%r limits this account or address: wait, sign in with an account of a higher limit, or "
        "pull through a mirror",
    [REASON_SERVER_ERROR] = "%r has an internal error: see the registry's log or its status page",
    [REASON_BAD_GATEWAY] =
        "The gateway in front of %r cannot reach the registry: check the registry behind it",
    [REASON_SERVICE_UNAVAILABLE] =
        "%r is overloaded or down for maintenance: check its health; the kubelet tries again",
    [REASON_GATEWAY_TIMEOUT] =
        "The gateway in front of %r got no answer in time: check the registry behind it",
    [REASON_MALFORMED_RESPONSE] =
        "What answers as %r is no registry: look for a login page, captive portal or proxy in "
        "between, and check the URL of the mirror",
    [REASON_STORAGE_QUOTA] = "A quota at %r is used up: free space there or raise the quota",
    [REASON_UNEXPECTED_STATUS] =
        "%r answered with a status that makes no sense here: see the registry's log, and "
        "gateways or mirrors in front of it",
    [REASON_PLATFORM_MISMATCH] =
        "The image is not built for this node's architecture or system: build it for this "
        "platform too, or schedule the pod elsewhere with a nodeSelector",
    [REASON_UNSUPPORTED_MANIFEST] =
        "The runtime cannot use this kind of manifest: rebuild and push the image with a "
        "current tool (OCI or Docker schema 2)",
    [REASON_DIGEST_MISMATCH] =
        "What arrived is not what the manifest promises: check proxies and mirrors that alter or "
        "cut downloads, then push the image again",
    [REASON_CORRUPT_LAYER] =
        "A layer of the image is damaged: push the image again, and check caches and mirrors of %r",
    [REASON_DISK_FULL] =
        "The node's image filesystem is full: remove unused images or enlarge it, and check the "
        "kubelet's image garbage collection",
    [REASON_UNPACK_FAILED] = "The node could not unpack the image: see the runtime's log; check "
                             "the snapshotter, user "
                             "namespaces and the filesystem",
    [REASON_RUNTIME_UNAVAILABLE] =
        "The container runtime on the node does not answer: check its service and socket",
    [REASON_RUNTIME_ERROR] =
        "The container runtime on the node failed: see its log; a restart of it may be needed",
    [REASON_PULL_QPS_EXCEEDED] =
        "The kubelet's own pull limit was reached: raise registryPullQPS and registryBurst, or "
        "start fewer pods at once",
    [REASON_INVALID_REFERENCE] =
        "The image's name is not valid: correct it in the pod's spec (lower case, "
        "host/name:tag, no spaces or unresolved placeholders)",
    [REASON_NEVER_PULL] = "The imagePullPolicy is Never and the image is not on the node: load it "
                          "there, or use another "
                          "policy",
    [REASON_SHORT_NAME_AMBIGUOUS] =
        "The short name could mean several registries: write the image with its registry, or "
        "set an alias in registries.conf",
    [REASON_SIGNATURE_REJECTED] =
        "The node's signature policy rejects the image: sign it as the policy asks, or change "
        "the policy",
    [REASON_REGISTRY_BLOCKED] =
        "The node's registries.conf blocks %r: use an allowed registry, or lift the block",
    [REASON_UNCLASSIFIED] =
        "No rule knows this message: read it as it is, and please report it so that one is written",
    [REASON_BACK_OFF_ONLY] =
        "The kubelet waits before its next try and the message does not say why: see the pod's "
        "events",
};

static void write_sentence(struct buf *out, const char *sentence, struct str registry)
{
    const char *mark;

    for (const char *at = sentence; (mark = strstr(at, "%r")) != NULL; at = mark + 2) {
        buf_add(out, str_span(at, mark));
        if (registry.len > 0)
            buf_add(out, registry);
        else
            buf_add_text(out, mark == sentence ? "The registry" : "the registry");
        sentence = mark + 2;
    }
    buf_add_text(out, sentence);
}

void advice_write(struct buf *out, const struct verdict *verdict, const struct advice_facts *facts)
{
    if (verdict->reason == REASON_PULL_SECRET_MISSING && facts->missing_secret.len > 0) {
        buf_printf(
            out,
            "The pull Secret \"%.*s\", which the pod names, does not exist in its namespace: "
            "create it there, or correct the name in imagePullSecrets.",
            STR_ARG(facts->missing_secret));
        return;
    }
    /* Of a name that is none, image_registry() makes "invalid", which is nobody to ask. */
    write_sentence(out, advice[verdict->reason],
                   str_eq(facts->registry, STR("invalid")) ? STR("") : facts->registry);
    if (facts->missing_secret.len > 0 && verdict->cause == CAUSE_UNAUTHORIZED)
        buf_printf(out, "; the Secret \"%.*s\" does not exist", STR_ARG(facts->missing_secret));
    else if (facts->pull_secrets_known && facts->n_pull_secrets == 0 &&
             verdict->cause == CAUSE_UNAUTHORIZED)
        buf_add_text(out, "; the pod has no imagePullSecrets");
    else if (facts->pull_secrets_known && verdict->reason == REASON_NO_CREDENTIALS)
        buf_add_text(out, "; none of the pod's imagePullSecrets is for this registry");
    buf_add_byte(out, '.');
}
