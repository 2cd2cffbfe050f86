/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/kube/http/kubeconfig.h"
#include "agent/kube/http/server.h"

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"
#define KUBELET_PORT 10250

int kube_in_cluster(struct kube_config *config, char server[KUBE_SERVER_SIZE], struct err *err)
{
    int r;

    if (config->server)
        return 0;
    r = server_in_cluster(server, KUBE_SERVER_SIZE, err);
    if (r < 0)
        return r;
    config->server = server;
    if (!config->ca_file)
        config->ca_file = SERVICE_ACCOUNT "ca.crt";
    if (!config->token_file)
        config->token_file = SERVICE_ACCOUNT "token";
    return 0;
}

static int kubelet_url(char server[KUBE_SERVER_SIZE], struct err *err)
{
    const char *host = getenv("HOST_IP");
    int n;

    if (!host || !*host)
        return err_set(err, -EINVAL,
                       "HOST_IP is not set, so the address of the kubelet is not known; set it (in "
                       "a pod from status.hostIP), or --kube.kubelet-url");
    n = snprintf(server, KUBE_SERVER_SIZE, strchr(host, ':') ? "https://[%s]:%d" : "https://%s:%d",
                 host, KUBELET_PORT);
    return n < 0 || n >= KUBE_SERVER_SIZE ? err_set(err, -E2BIG, "HOST_IP is too long") : 0;
}

int kube_on_node(struct kube_config *config, char server[KUBE_SERVER_SIZE], struct err *err)
{
    static const char token[] = SERVICE_ACCOUNT "token", ca[] = SERVICE_ACCOUNT "ca.crt";

    config->server = config->kubelet_url;
    if (!config->server) {
        int r = kubelet_url(server, err);

        if (r < 0)
            return r;
        config->server = server;
    }
    if (!config->token_file && strncmp(config->server, "https://", 8) == 0 &&
        access(token, R_OK) == 0)
        config->token_file = token;
    if (!config->ca_file && !config->kubelet_insecure && access(ca, R_OK) == 0)
        config->ca_file = ca;
    return 0;
}

static int read_credentials(struct credentials *ret, const struct kube_config *config,
                            struct err *err)
{
    int r;

    if (config->kubeconfig)
        return kubeconfig_read(config->kubeconfig, config->context, ret, err);
    r = server_url(config->server, &ret->server, err);
    ret->insecure = config->from_kubelet && config->kubelet_insecure;
    if (r == 0 && config->ca_file)
        r = credential_set_file(&ret->ca, config->ca_file, err);
    if (r == 0 && config->token_file)
        r = credential_set_file(&ret->token, config->token_file, err);
    return r;
}

int kube_credentials(const struct kube_config *config, struct credentials *ret, struct err *err)
{
    int r = read_credentials(ret, config, err);

    return r < 0 ? r : credentials_check(ret, err);
}
