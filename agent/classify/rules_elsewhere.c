/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Not about an image pull: what the kubelet, the scheduler and the runtimes say about other
 * failures of a pod. Some of these messages have the words of a failed pull: "connection refused",
 * "not found", "forbidden".
 */
#include "agent/classify/rules_rows.h"
#include "util.h"

static const struct rule rows[] = {
    /* kubelet: pkg/kubelet/prober, volumemanager, kuberuntime */
    ELSEWHERE("probe-readiness", "readiness probe failed"),
    ELSEWHERE("probe-liveness", "liveness probe failed"),
    ELSEWHERE("probe-startup", "startup probe failed"),
    ELSEWHERE("probe-errored", "probe errored"),
    ELSEWHERE("volume-setup", "mountvolume.setup failed"),
    ELSEWHERE("volume-device", "mountvolume.mountdevice failed"),
    ELSEWHERE("volume-cut", "failed for volume"),
    ELSEWHERE("volume-attach", "unable to attach or mount volumes"),
    ELSEWHERE("crash", "back-off restarting failed container"),
    ELSEWHERE("crash-reason", "crashloopbackoff"),
    ELSEWHERE("config-key", "couldn't find key * in"),
    ELSEWHERE("config-map", "configmap * not found"),
    ELSEWHERE("config-secret", "secret * not found"),
    ELSEWHERE("dynamic-resources", "preparedynamicresourceserror"),
    ELSEWHERE("post-start-hook", "poststarthookerror"),
    ELSEWHERE("kill-container", "killcontainererror"),
    ELSEWHERE("kill-sandbox", "killpodsandboxerror"),
    ELSEWHERE("run-as-root", "container has runasnonroot"),
    ELSEWHERE("sandbox-changed", "pod sandbox changed"),
    ELSEWHERE("killing", "error killing pod"),
    ELSEWHERE("eviction", "node was low on resource"),
    ELSEWHERE("oom", "oomkilled"),
    /* scheduler, admission, API server */
    ELSEWHERE("scheduling", "nodes are available"),
    ELSEWHERE("webhook-denied", "admission webhook ~ denied the request"),
    ELSEWHERE("webhook-failed", "failed calling webhook"),
    ELSEWHERE("pod-security", "violates podsecurity"),
    ELSEWHERE("rbac", "is forbidden user"),
    ELSEWHERE("resource-quota", "is forbidden exceeded quota"),
    ELSEWHERE("kubectl-forbidden", "error from server forbidden"),
    /* runtimes: internal/cri/server, runc, CNI */
    ELSEWHERE("network-setup", "failed to setup network for sandbox"),
    ELSEWHERE("network-set-up", "failed to set up sandbox container * network"),
    ELSEWHERE("network-plugin", "networkplugin cni failed"),
    ELSEWHERE("network-cni", "plugin type ~ failed"),
    ELSEWHERE("network-ready", "cni plugin not initialized"),
    ELSEWHERE("network-not-ready", "network is not ready"),
    ELSEWHERE("oci-create", "oci runtime create failed"),
    ELSEWHERE("oci-exec", "oci runtime exec failed"),
    ELSEWHERE("runc-create", "runc create failed"),
    ELSEWHERE("container-process", "unable to start container process"),
    ELSEWHERE("oci-command", "oci runtime attempted to invoke"),
    ELSEWHERE("exec-format", "exec format error"),
    ELSEWHERE("container-name", "failed to reserve container name"),
    ELSEWHERE("container-name-docker", "is already in use by container"),
    ELSEWHERE("sandbox-name", "failed to reserve sandbox name"),
    ELSEWHERE("sandbox-missing", "try to find sandbox"),
    ELSEWHERE("container-missing", "try to find container"),
    ELSEWHERE("task-missing", "no running task found"),
    ELSEWHERE("runtime-class", "no runtime for * is configured"),
};

const struct rule_table rules_elsewhere = { rows, ARRAY_SIZE(rows) };
