/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/message.h"

#include "buf.h"

/*
 * One sentence for each reason: what is wrong, what to do. "%r" becomes the registry of the image,
 * "%h" the host that failed, "%f" the configuration file; or words for them where they are not
 * known.
 */
static const char *const advice[REASON_MAX] = {
    [REASON_NO_CREDENTIALS] =
        "%r requires credentials, but the node sent none: add an imagePullSecret for %r to the "
        "pod or its ServiceAccount, or configure the node's credential provider for it",
    [REASON_BAD_CREDENTIALS] =
        "%h rejected the credentials: check that the pull Secret is for %r, and renew the user "
        "name and password or token in it",
    [REASON_TOKEN_EXPIRED] =
        "The token for %r has expired: renew it where it comes from (the pull Secret, or the "
        "node's credential provider), and make sure that something renews it before it expires "
        "again",
    [REASON_FORBIDDEN] =
        "%h refused access: read its own words in the message; as a rule the account needs pull "
        "access to this repository, or a rule of the registry blocks the address, the region, the "
        "image or an unpaid account",
    [REASON_INSUFFICIENT_SCOPE] =
        "%h does not let this login, or no login, pull from this repository: check the image name "
        "for typos, because it says the same if there is no such repository, then the pull "
        "credentials and their access to the repository",
    [REASON_DENIED_OR_MISSING] =
        "%h does not say whether the repository is private or missing: check the image name for "
        "typos first, then the pull credentials",
    [REASON_PULL_SECRET_MISSING] =
        "A pull Secret that the pod names could not be read; as a rule it does not exist in its "
        "namespace: create it, or correct the name in imagePullSecrets",
    [REASON_CREDENTIAL_PROVIDER_FAILED] =
        "The credential helper or plugin for %r failed on the node: check that it is installed "
        "and configured, and read the kubelet's log",
    [REASON_MANIFEST_UNKNOWN] =
        "%h has no such tag or digest: correct the tag in the pod spec, or push the image there",
    [REASON_REPOSITORY_UNKNOWN] =
        "%h has no such repository: correct the image name, or push the image there first",
    [REASON_IMAGE_NOT_FOUND] =
        "%h has no such image: check the repository and tag for typos, or push the image there",
    [REASON_DIGEST_UNKNOWN] =
        "%h has no image with this digest; as a rule it was deleted, or never pushed there: use a "
        "digest that exists, or push the image again",
    [REASON_BLOB_UNKNOWN] =
        "%h does not have a layer or manifest that the image lists: push the image again, and "
        "check the registry's garbage collection and, if it is a mirror, its upstream",
    [REASON_DNS_NOT_FOUND] =
        "The node cannot resolve the name of %h: check it for typos, and check that the node's DNS "
        "servers know it",
    [REASON_DNS_FAILURE] =
        "%h did not give the node a usable answer: check /etc/resolv.conf on the node, and check "
        "that the node can reach the servers in it",
    [REASON_CONNECT_REFUSED] =
        "%h does not accept connections at this address and port: check that the service runs, "
        "check the port, and look for a firewall that rejects the node",
    [REASON_CONNECT_TIMEOUT] =
        "The node gets no answer when it connects to %h: check firewalls, security groups and "
        "NAT, and whether the node needs a proxy",
    [REASON_UNREACHABLE] =
        "The node cannot reach %h: check its routes, network interfaces and firewalls",
    [REASON_CONNECTION_RESET] = "The connection to %h was reset; the kubelet tries again: if it "
                                "fails again, check proxies, "
                                "firewalls and load balancers on the path, and the MTU",
    [REASON_UNEXPECTED_EOF] =
        "The connection to %h ended before the answer was complete; the kubelet tries again: if it "
        "fails again, check the proxies and load balancers on the path, and the log of this host",
    [REASON_TLS_UNKNOWN_AUTHORITY] =
        "The node does not trust the certificate of %h: add the CA that signed it to the node's "
        "trust store, or to the runtime's certificates for this host; look also for a proxy that "
        "inspects TLS",
    [REASON_TLS_EXPIRED] =
        "The certificate of %h has expired or is not valid yet: check the node's clock first; if "
        "it is right, the certificate must be renewed",
    [REASON_TLS_HOSTNAME] =
        "The certificate of %h was issued for another name: if it is that of another service, "
        "look for a wrong DNS answer, a login page or a proxy that inspects TLS; else use the "
        "name in the certificate, or issue one for the name or address in use",
    [REASON_TLS_HANDSHAKE_TIMEOUT] =
        "%h accepts connections but does not complete the TLS handshake: check its load, and "
        "check the MTU and firewalls that inspect TLS",
    [REASON_TLS_HANDSHAKE_FAILED] =
        "TLS with %h failed: read the TLS error in the message; check TLS versions, the client "
        "certificate and the certificate of this host, and look for a proxy or firewall that "
        "changes the traffic",
    [REASON_HTTP_TO_HTTPS] =
        "One side uses HTTP and the other HTTPS: enable TLS on %h, or configure it as an insecure "
        "registry in the runtime; if it has TLS, check for http:// in the runtime's configuration, "
        "and look for a proxy on the path",
    [REASON_PROXY_FAILED] =
        "%h failed or refused the request: check HTTPS_PROXY and NO_PROXY of the runtime's "
        "service, and check that the proxy allows %r",
    [REASON_RESPONSE_TIMEOUT] =
        "%h did not answer in time: check its load and health, and whether the node reaches it "
        "and needs a proxy",
    [REASON_DEADLINE] =
        "The pull took longer than its time limit: check whether the node reaches %h, its "
        "bandwidth and the size of the image, or raise the runtime's pull timeouts",
    [REASON_PULL_STALLED] =
        "The pull from %h stopped making progress: check this host, its blob store and the "
        "network on the path; if everything was downloaded, check the disk of the node",
    [REASON_PULL_CANCELLED] =
        "The pull was cancelled on the node; the kubelet tries again: if that fails too, read the "
        "runtime's log; as a rule the kubelet or the runtime restarted, the pod was deleted, or "
        "the runtime's time limit for progress was reached",
    [REASON_TOO_MANY_REQUESTS] =
        "%h limits the requests of this account or address: wait, log in with an account that has "
        "a higher limit, or pull through a mirror",
    [REASON_SERVER_ERROR] =
        "%h answered with an internal error: read its status page, or its log if it is yours; the "
        "kubelet tries again",
    [REASON_BAD_GATEWAY] =
        "The gateway in front of %h got no valid answer from the service behind it: check that "
        "service; the kubelet tries again",
    [REASON_SERVICE_UNAVAILABLE] =
        "%h answered that it is not available now: check its health and load, and the service "
        "behind it; the kubelet tries again",
    [REASON_GATEWAY_TIMEOUT] =
        "The gateway in front of %h got no answer in time: check the service behind it; the "
        "kubelet tries again",
    [REASON_MALFORMED_RESPONSE] =
        "%h did not answer like a registry: check its port and path in the image name or the "
        "mirror's URL, and look for a login page, captive portal or proxy on the path",
    [REASON_STORAGE_QUOTA] = "A quota at %h is used up: free space there, or raise the quota",
    [REASON_UNEXPECTED_STATUS] =
        "%h answered with an HTTP status that the message does not explain: look for the request "
        "in its log; check the mirror's URL and path, gateways in front of it, and its rules for "
        "this image (412 can be a signature or a vulnerability)",
    [REASON_PLATFORM_MISMATCH] =
        "The image is not built for this node's architecture or operating system: build it for "
        "this platform too, or use a nodeSelector to run the pod on other nodes",
    [REASON_UNSUPPORTED_MANIFEST] =
        "The runtime cannot use what the registry has under this name: it is an artifact and no "
        "image, an old format, or newer than the runtime; build the image with a current tool (OCI "
        "or Docker schema 2), or update the runtime",
    [REASON_DIGEST_MISMATCH] =
        "The downloaded data does not match the manifest: look for proxies and mirrors that change "
        "or cut downloads; if it fails on every node, push the image again",
    [REASON_CORRUPT_LAYER] =
        "A layer of the image is damaged or was cut: look for proxies and mirrors that cut "
        "downloads; if it fails on every node, push the image again",
    [REASON_DISK_FULL] =
        "A file system of the node is full, or its quota is used up: find it with df -h and df -i, "
        "remove unused images (crictl rmi --prune) or enlarge it, and check the kubelet's image "
        "garbage collection",
    [REASON_UNPACK_FAILED] =
        "The node could not unpack the image: read the runtime's log, and check the snapshotter, "
        "user namespaces, and the disk and its file system (dmesg)",
    [REASON_IMAGE_LOST] =
        "The container runtime does not find the image that it is to start: run crictl rmi with "
        "the image name on the node, so that it is pulled again, and check the runtime's storage",
    [REASON_DECRYPTION_KEY_MISSING] =
        "The image is encrypted, and the node has no key that decrypts it: configure the key in "
        "the runtime of the node, or use an image that is not encrypted",
    [REASON_RUNTIME_UNAVAILABLE] =
        "The container runtime on the node cannot be reached, or does not offer its image service: "
        "check that it runs (systemctl status), that its CRI plugin is enabled, and the path and "
        "permissions of its socket",
    [REASON_RUNTIME_ERROR] =
        "The container runtime on the node failed: read its log, and check the disk that it stores "
        "images on; if the message says that content is missing, remove the image with crictl rmi, "
        "so that all of it is pulled again",
    [REASON_PULL_QPS_EXCEEDED] =
        "The kubelet reached its own pull limit: raise registryPullQPS and registryBurst, or "
        "start fewer pods at once",
    [REASON_INVALID_REFERENCE] =
        "The image name is not valid: correct it in the pod spec (lower case, host/name:tag, no "
        "spaces or unresolved placeholders)",
    [REASON_NEVER_PULL] =
        "The imagePullPolicy is Never and the image is not on the node: load it there, or use "
        "another policy",
    [REASON_SHORT_NAME_AMBIGUOUS] =
        "The image name has no registry, and the node cannot tell which one to ask: write the name "
        "with its registry, or set an alias or one search registry in registries.conf",
    [REASON_SIGNATURE_REJECTED] =
        "The signature policy of the node or the registry rejects the image: sign it as the policy "
        "requires, check that the signatures can be read, or change the policy",
    [REASON_REGISTRY_BLOCKED] =
        "The configuration of the node or of the cluster blocks %r (registries.conf): use an "
        "allowed registry, or remove the block",
    [REASON_PULL_SECRET_MALFORMED] =
        "A pull Secret of the pod has invalid content, so the kubelet pulls no image for this pod, "
        "not even a public one: create the Secret again with kubectl create secret docker-registry",
    [REASON_RUNTIME_CONFIG_INVALID] =
        "%f on the node is invalid, missing or cannot be read: correct it, and restart the runtime "
        "if it does not read the file for each pull",
    [REASON_UNCLASSIFIED] =
        "No rule matches this message: read the message itself, and please report it so that a "
        "rule can be added",
    [REASON_BACK_OFF_ONLY] =
        "Read the pod's events (kubectl describe pod): the kubelet waits before its next attempt, "
        "and this message does not name the cause",
    [REASON_NOT_A_PULL] =
        "This message is not about an image pull: look for the component that wrote it",
};

/* What a host is called, and what one is called whose name is not known. */
static const struct {
    const char *known, *unknown;
} parties[ROLE_MAX] = {
    [ROLE_REGISTRY] = { "", "the registry" },
    [ROLE_MIRROR] = { "the mirror ", "the mirror" },
    [ROLE_TOKEN_SERVER] = { "the token server ", "the token server of the registry" },
    [ROLE_BLOB_HOST] = { "the blob host ", "the blob host of the registry" },
    [ROLE_PROXY] = { "the HTTP proxy ", "the HTTP proxy of the runtime" },
    [ROLE_DNS] = { "the node's name server ", "the node's name server" },
};

/* `text`, with a capital letter where a sentence begins. */
static void add_phrase(struct buf *out, const char *text, bool begins)
{
    char first = *text;

    if (begins && first) {
        if (first == 't')
            first = 'T';
        buf_add_byte(out, first);
        text++;
    }
    buf_add_text(out, text);
}

static void add_party(struct buf *out, const struct advice_facts *facts, struct str registry,
                      bool begins, bool or_blobs)
{
    bool own = facts->failed_role == ROLE_REGISTRY;
    struct str host = facts->failed_host.len > 0 || !own ? facts->failed_host : registry;

    add_phrase(
        out, host.len > 0 ? parties[facts->failed_role].known : parties[facts->failed_role].unknown,
        begins);
    buf_add(out, host);
    if (or_blobs)
        buf_add_text(out, " or its blob host");
}

static void add_sentence(struct buf *out, const char *sentence, const struct advice_facts *facts,
                         bool or_blobs)
{
    struct str registry = facts->registry;
    const char *at = sentence;

    if (str_eq(registry, STR("invalid"))) /* image_registry() of an invalid image name */
        registry.len = 0;
    for (const char *mark; (mark = strchr(at, '%')) != NULL; at = mark + 2) {
        bool begins = mark == sentence;

        buf_add(out, str_span(at, mark));
        if (mark[1] == 'h')
            add_party(out, facts, registry, begins, or_blobs);
        else if (mark[1] == 'f' && facts->file.len > 0)
            buf_add(out, facts->file);
        else if (mark[1] == 'f')
            add_phrase(out, "the configuration of the container runtime", begins);
        else if (registry.len > 0)
            buf_add(out, registry);
        else
            add_phrase(out, "the registry", begins);
    }
    buf_add_text(out, at);
}

void advice_add(struct buf *out, const char *sentence, struct str registry)
{
    add_sentence(out, sentence, &(struct advice_facts){ .registry = registry }, false);
}

/* The registry's words are the same with and without a login. */
static const char refused[] =
    "%h refused the pull, and its answer is the same with and without a login: check that there is "
    "a pull Secret for %r, and that the user name and password or token in it are valid";

/* The kubelet looks for a login for the image's registry; containerd can send it to a mirror, too.
 */
static const char mirror_refused[] =
    "%h refused the pull: look first at the login for it in the runtime's configuration, because "
    "the kubelet looks for a pull Secret for %r only";

/* A limit on one request, not on the whole pull. */
static const char slow[] =
    "%h did not answer before the time limit: check whether the node can reach it and needs a "
    "proxy, and check its load and health";

/*
 * The sentence that fits what is known besides the reason. A registry sends the runtime to blob
 * hosts and token servers: nobody typed their names, and no account belongs to a blob host.
 */
static const char *sentence_of(const struct verdict *verdict, const struct advice_facts *facts)
{
    enum reason reason = verdict->reason;
    enum role role = facts->failed_role;
    bool login = reason == REASON_NO_CREDENTIALS || reason == REASON_BAD_CREDENTIALS;

    if (login && role == ROLE_MIRROR)
        return mirror_refused;
    if (login && verdict->sent_unknown)
        return refused;
    /* STAGE_RESOLVE alone says little: it is also what stands where no words name a stage. */
    if (reason == REASON_DEADLINE && facts->failed_host.len > 0 &&
        (verdict->stage == STAGE_RESOLVE || verdict->stage == STAGE_AUTH))
        return slow;
    if (reason == REASON_FORBIDDEN && role == ROLE_BLOB_HOST)
        return "%h refused the download of a layer, although %r had allowed it: look for policies "
               "on the way (endpoint policies of the cloud, proxies, firewalls), and check the "
               "node's clock; a retry gets a new link";
    if (reason == REASON_DNS_NOT_FOUND && (role == ROLE_BLOB_HOST || role == ROLE_TOKEN_SERVER))
        return "The node cannot resolve the name of %h: %r sends it there, so check that the "
               "node's DNS servers know this name and do not block it";
    return advice[reason];
}

/* A request for a layer failed, and no words say whether the registry had sent the runtime on. */
static bool is_of_either_host(const struct verdict *verdict, const struct advice_facts *facts)
{
    return verdict->stage == STAGE_BLOB && facts->failed_role == ROLE_REGISTRY &&
           facts->failed_host.len == 0 &&
           (verdict->cause == CAUSE_NETWORK || verdict->cause == CAUSE_REGISTRY_ERROR);
}

void advice_write(struct buf *out, const struct verdict *verdict, const struct advice_facts *facts)
{
    add_sentence(out, sentence_of(verdict, facts), facts, is_of_either_host(verdict, facts));
    if (verdict->cause != CAUSE_NOT_FOUND && verdict->reason != REASON_DENIED_OR_MISSING &&
        verdict->reason != REASON_INSUFFICIENT_SCOPE &&
        verdict->ambiguous_with & UINT32_C(1) << CAUSE_NOT_FOUND)
        buf_add_text(out, "; it answers the same if there is no such image: check the name for "
                          "typos, too");
    buf_add_byte(out, '.');
}
