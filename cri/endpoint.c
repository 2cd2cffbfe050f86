/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/endpoint.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

_Static_assert(ENDPOINT_PATH_MAX == sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
               "the limit in the error message");

/*
 * On a node, /var/run is a link to /run. In a container image without them, it is whatever the
 * DaemonSet mounts. cri-dockerd is last: a node with Docker also has a containerd, whose CRI plugin
 * may be on.
 */
static const char *const well_known[] = {
    "/run/containerd/containerd.sock",
    "/var/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/var/run/crio/crio.sock",
    "/run/k3s/containerd/containerd.sock", /* k3s and RKE2 */
    "/run/k0s/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
    "/var/snap/k8s/common/run/containerd.sock", /* Canonical Kubernetes */
    "/run/cri-dockerd.sock",
    NULL,
};

int endpoint_parse(const char *endpoint, const char **ret_path, struct err *err)
{
    const char *path = endpoint;

    if (strncmp(path, "unix:", 5) == 0) {
        path += 5;
        if (strncmp(path, "//", 2) == 0)
            path += 2; /* "unix://" + path; what follows must be absolute again */
    }
    if (path[0] != '/' || path[1] == '\0')
        return err_set(err, -EINVAL, "CRI endpoint '%s': must be unix:///path or an absolute path",
                       endpoint);
    if (strlen(path) > ENDPOINT_PATH_MAX)
        return err_set(err, -EINVAL,
                       "CRI endpoint '%s': %zu bytes, but the path of a unix socket has at most %u",
                       endpoint, strlen(path), ENDPOINT_PATH_MAX);
    *ret_path = path;
    return 0;
}

const char *const *endpoint_well_known(void)
{
    return well_known;
}

int endpoint_check(const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return err_set_errno(err, -errno, "container runtime socket '%s'", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, -ENOTSOCK, "container runtime socket '%s': is not a socket", path);
    return 0;
}
