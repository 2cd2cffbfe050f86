/* SPDX-License-Identifier: Apache-2.0 */

/* The agent's own flags. A new flag is a row here and a field of struct config. */

#include <stddef.h>

#include "agent/commands/classify.h"
#include "agent/commands/status.h"
#include "agent/config.h"
#include "util.h"

#define GENERAL "General"
#define METRICS "Metrics and probes"
#define DEBUG "Debug"
#define RUNTIME "Container runtime"
#define KUBERNETES "Kubernetes"
#define LOGGING "Logging"

#define SETTING(field) .offset = offsetof(struct config, field)

static const struct flag flags[] = {
    { .name = "--node-name",
      .value = "NAME",
      .env = "NODE_NAME",
      .group = GENERAL,
      .help = "Name of this node. The agent reads only the pods of this node. Required unless "
              "--kube.source=none.",
      SETTING(node_name) },
    { .name = "--sandbox",
      .env = "IMAGEPULL_SANDBOX",
      .dflt = "on",
      .choices = "on|off",
      .group = GENERAL,
      .help = "on: after the start the agent can start no program, write no file, open only the "
              "files that it needs and make only the system calls that it needs (seccomp, "
              "Landlock). The log says what the kernel does not have of it.",
      SETTING(sandbox_text) },
    { .name = "--check-config",
      .group = GENERAL,
      .help = "Check all flags and files, print the settings and exit. Opens no port and makes no "
              "connection. The exit status is 0, or 2 if something is wrong.",
      .kind = FLAG_SWITCH,
      SETTING(check_only) },
    { .name = "--version",
      .group = GENERAL,
      .help = "Print the version and exit.",
      .kind = FLAG_STOP,
      SETTING(version) },
    { .name = "--help",
      .group = GENERAL,
      .help = "Print this help and exit. -h does the same.",
      .kind = FLAG_STOP,
      SETTING(help) },

    { .name = "--web.listen-address",
      .value = "ADDRESS",
      .env = "IMAGEPULL_WEB_LISTEN_ADDRESS",
      .dflt = ":9917",
      .group = METRICS,
      .help = "Address for metrics and probes: [HOST]:PORT or unix:/PATH. Repeat the flag for up "
              "to eight addresses; separate them with commas in the environment variable. IPv6 "
              "addresses need brackets, as in [::1]:9917.",
      .kind = FLAG_LIST,
      SETTING(web_listen) },
    { .name = "--web.telemetry-path",
      .value = "PATH",
      .env = "IMAGEPULL_WEB_TELEMETRY_PATH",
      .dflt = "/metrics",
      .group = METRICS,
      .help = "URL path of the metrics.",
      SETTING(web_telemetry_path) },
    { .name = "--web.max-requests",
      .value = "N",
      .env = "IMAGEPULL_WEB_MAX_REQUESTS",
      .dflt = "40",
      .group = METRICS,
      .help = "Maximum number of concurrent scrapes; further ones get 503. 0 means no limit.",
      SETTING(web_max_requests_text) },
    { .name = "--web.config.file",
      .value = "FILE",
      .env = "IMAGEPULL_WEB_CONFIG_FILE",
      .group = METRICS,
      .help = "File with TLS, client certificates, users and headers for metrics and probes, in "
              "the format of the Prometheus exporters. The agent reads it again when it changes.",
      SETTING(web_config_file) },
    { .name = "--metrics.max-registries",
      .value = "N",
      .env = "IMAGEPULL_METRICS_MAX_REGISTRIES",
      .dflt = "16",
      .group = METRICS,
      .help = "Maximum number of registries with their own series, 1 to 1000. Further ones are "
              "counted together as registry=\"other\".",
      SETTING(max_registries_text) },
    { .name = "--metrics.self",
      .env = "IMAGEPULL_METRICS_SELF",
      .dflt = "on",
      .choices = "on|off",
      .group = METRICS,
      .help = "off: no metrics about this process (process_*) and its requests to the container "
              "runtime (imagepull_cri_request_*). imagepull_source_up and the limits stay.",
      SETTING(metrics_self_text) },
    { .name = "--metrics.created",
      .env = "IMAGEPULL_METRICS_CREATED",
      .dflt = "off",
      .choices = "on|off",
      .group = METRICS,
      .help = "on: in OpenMetrics, write when each counter began (_created). Prometheus needs "
              "--enable-feature=created-timestamp-zero-ingestion for it, and then increase() sees "
              "the first count of a new series. Other servers store the lines as series.",
      SETTING(metrics_created_text) },

    { .name = DEBUG_LISTEN_FLAG,
      .value = "ADDRESS",
      .env = DEBUG_LISTEN_ENV,
      .dflt = DEBUG_LISTEN_DEFAULT,
      .group = DEBUG,
      .help = "Address for /debug/* and the status page: HOST:PORT, unix:/PATH or off. Repeat the "
              "flag for a second address; separate them with a comma in the environment "
              "variable. The answers contain error messages and names of Secrets. A unix socket "
              "that cannot be made is tried again.",
      .kind = FLAG_LIST,
      SETTING(debug_listen) },

    { .name = "--cri.endpoint",
      .value = "SOCKET",
      .env = "IMAGEPULL_CRI_ENDPOINT",
      .group = RUNTIME,
      .help = "Socket of the container runtime, or off. Without this flag, the agent tries the "
              "well-known sockets of containerd, CRI-O, k3s, k0s and MicroK8s. off: the causes "
              "come from Kubernetes alone, and the agent cannot tell durations, progress and "
              "stalls of pulls, and whether an image is present.",
      SETTING(cri_endpoint) },
    { .name = "--stall-after",
      .value = "DURATION",
      .env = "IMAGEPULL_STALL_AFTER",
      .dflt = "2m",
      .group = RUNTIME,
      .help = "Report a pull as stalled when a layer makes no progress, or nothing of the image "
              "comes, for this long: 1s to 24h, or off. Only containerd reports the progress.",
      SETTING(stall_after_text) },

    { .name = "--kube.source",
      .env = "IMAGEPULL_KUBE_SOURCE",
      .dflt = "api",
      .choices = "api|kubelet|none",
      .group = KUBERNETES,
      .help = "Where to read pods: from the API server, from this node's kubelet, or not at all. "
              "The kubelet has no events.",
      SETTING(kube_source) },
    { .name = "--kube.server",
      .value = "URL",
      .env = "IMAGEPULL_KUBE_SERVER",
      .group = KUBERNETES,
      .help = "URL of the API server, https://HOST:PORT[/PATH]. Without this flag and "
              "--kubeconfig, the agent uses the in-cluster address that every pod gets.",
      SETTING(kube_server) },
    { .name = "--kube.ca-file",
      .value = "FILE",
      .env = "IMAGEPULL_KUBE_CA_FILE",
      .group = KUBERNETES,
      .help = "File with the CA certificates to verify the server with. Without this flag, the "
              "agent uses the service account's CA if neither --kube.server nor --kubeconfig is "
              "given, otherwise the system's CAs.",
      SETTING(kube_ca_file) },
    { .name = "--kube.token-file",
      .value = "FILE",
      .env = "IMAGEPULL_KUBE_TOKEN_FILE",
      .group = KUBERNETES,
      .help = "File with the bearer token for the server. Without this flag, the agent uses the "
              "service account's token if neither --kube.server nor --kubeconfig is given, "
              "otherwise no token. It never sends a token to another machine over http://.",
      SETTING(kube_token_file) },
    { .name = "--kubeconfig",
      .value = "FILE",
      .env = "IMAGEPULL_KUBECONFIG",
      .group = KUBERNETES,
      .help = "Kubeconfig file with server and credentials. Replaces --kube.server, "
              "--kube.ca-file and --kube.token-file, and cannot be combined with them. The "
              "KUBECONFIG variable is not read.",
      SETTING(kubeconfig) },
    { .name = "--kube.context",
      .value = "NAME",
      .env = "IMAGEPULL_KUBE_CONTEXT",
      .group = KUBERNETES,
      .help = "Context of the kubeconfig to use. Without this flag, the agent uses its "
              "current-context.",
      SETTING(kube_context) },
    { .name = "--kube.events",
      .env = "IMAGEPULL_KUBE_EVENTS",
      .dflt = "on",
      .choices = "on|off",
      .group = KUBERNETES,
      .help = "Whether to read events. The agent reads them only where a pod fails.",
      SETTING(kube_events) },
    { .name = "--kube.kubelet-url",
      .value = "URL",
      .env = "IMAGEPULL_KUBE_KUBELET_URL",
      .group = KUBERNETES,
      .help = "URL of the kubelet, for --kube.source=kubelet. Without this flag, the agent uses "
              "https://$HOST_IP:10250.",
      SETTING(kubelet_url) },
    { .name = "--kube.kubelet-insecure-skip-tls-verify",
      .env = "IMAGEPULL_KUBE_KUBELET_INSECURE_SKIP_TLS_VERIFY",
      .dflt = "false",
      .choices = "true|false",
      .group = KUBERNETES,
      .help = "true: do not verify the kubelet's certificate. For kubelets with self-signed "
              "certificates.",
      SETTING(kubelet_insecure_text) },

    { .name = "--log.level",
      .value = "LEVEL",
      .env = "IMAGEPULL_LOG_LEVEL",
      .dflt = "info",
      .choices = "debug|info|warn|error",
      .group = LOGGING,
      .help = "Log only lines of this level or above: debug, info, warn or error.",
      SETTING(log_level_name) },
    { .name = "--log.format",
      .value = "FORMAT",
      .env = "IMAGEPULL_LOG_FORMAT",
      .dflt = "logfmt",
      .choices = "logfmt|json",
      .group = LOGGING,
      .help = "Format of the log lines on standard error: logfmt or json.",
      SETTING(log_format_name) },
};

static const struct command *const commands[] = { &classify_flags, &status_flags, NULL };

const struct command agent_flags = {
    .summary = "Tells why an image cannot be pulled on this Kubernetes node.",
    .notes =
        "Each flag can also be set by its environment variable. The flag wins.\n"
        "Exit status: 0 after SIGTERM or SIGINT, 1 after an internal failure, 2 for bad flags, "
        "files or addresses.",
    .flags = flags,
    .n_flags = ARRAY_SIZE(flags),
    .commands = commands,
};
