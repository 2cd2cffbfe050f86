/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/classify/wrappers.h"

#include "util.h"

#define STARTS WRAPPER_STARTS
#define IMAGE WRAPPER_IMAGE
#define INNER WRAPPER_INNER_IMAGE
#define STATUS WRAPPER_STATUS
#define HOST WRAPPER_HOST
#define PLACE WRAPPER_PLACE
#define LOOKUP WRAPPER_LOOKUP
#define DIAL WRAPPER_DIAL

const struct wrapper wrappers[] = {
    /* google.golang.org/grpc/status */
    { "rpc error code * desc", 0, WRAPPER_GRPC | STARTS },
    { "rpc error code *", 0, WRAPPER_GRPC | STARTS },

    /* kubelet: pkg/kubelet/images/image_manager.go, pkg/kubelet/kuberuntime */
    { "failed to pull image $", W_PULL, IMAGE | STARTS },
    { "failed to pull image", W_PULL, STARTS },
    { "back-off pulling image *", W_BACK_OFF, IMAGE | STARTS },
    { "failed to apply default image tag *", W_REFERENCE, IMAGE },
    { "couldn't parse image reference *", W_REFERENCE, IMAGE },
    { "couldn't parse image name *", W_REFERENCE, IMAGE },
    { "failed to inspect image $", W_INSPECT, IMAGE },
    { "failed to inspect sandbox image $", W_INSPECT | W_SANDBOX, INNER },
    { "container image $", 0, IMAGE },
    { "image pull failed for *", W_PULL, IMAGE },
    { "failed to * for * with", 0, 0 },
    { "pulling image", W_PULL, 0 },
    { "pullimage", W_PULL, 0 },
    { "cannotpullcontainererror", W_PULL, 0 }, /* ECS */
    { "error errimagepull", W_PULL, STARTS },
    { "error imagepullbackoff", W_BACK_OFF, STARTS },
    { "errimagepull", W_PULL, STARTS },
    { "imagepullbackoff", W_BACK_OFF, STARTS },
    { "trying and failing to pull image", W_BACK_OFF, STARTS },
    { "error syncing pod skipping", 0, 0 },
    { "error syncing pod", 0, 0 },
    { "combined from similar events", 0, 0 },
    { "container start failed", 0, 0 },
    { "pullimage from image service failed", W_PULL, 0 },
    { "failed to create pod sandbox", W_SANDBOX, 0 },
    { "failed create pod sandbox", W_SANDBOX, 0 },
    { "failed to create sandbox for pod", W_SANDBOX, 0 },
    { "failed pulling image *", W_PULL, INNER },

    /* containerd: pkg/cri (image_pull.go, sandbox_run.go), core/remotes/docker, client/pull.go */
    { "failed to pull and unpack image $", W_PULL, INNER | STARTS },
    { "failed to pull and unpack image", W_PULL, STARTS },
    { "failed to get sandbox image *", W_SANDBOX, INNER },
    { "pullimage $ failed", W_PULL, INNER },
    { "cancel pulling image $", W_PULL, INNER },
    { "failed to resolve reference $", W_RESOLVE, INNER },
    { "failed to resolve reference", W_RESOLVE, 0 },
    { "failed to resolve image $", W_RESOLVE, INNER },
    { "failed to resolve image", W_RESOLVE, 0 },
    { "failed to resolve ref $", W_RESOLVE, INNER },
    { "failed to resolve $", W_RESOLVE, 0 },
    { "failed to resolve ref", W_RESOLVE, 0 },
    { "no available registry endpoint", W_RESOLVE, 0 },
    { "failed to parse image reference *", W_REFERENCE, INNER },
    { "failed to parse image name *", W_REFERENCE, INNER },
    { "failed to do request", W_REQUEST, 0 },
    { "failed to authorize", W_AUTH, 0 },
    { "failed to fetch anonymous token", W_AUTH | W_ANONYMOUS, 0 },
    { "failed to fetch oauth token", W_AUTH | W_LOGIN, 0 },
    { "unexpected status code manifests *", W_RESOLVE | W_NO_HEADER, 0 },
    { "pulling from host * failed with status code * *", W_RESOLVE | W_NO_HEADER, HOST },
    { "failed to copy", W_BLOB, 0 },
    { "httpreadseeker", W_BLOB, 0 },
    { "httpreaderseeker", W_BLOB, 0 },
    { "failed commit on ref *", W_BLOB | W_COMMIT, 0 },
    { "failed to extract layer", W_UNPACK, 0 },
    { "failed to unpack image on snapshotter *", W_UNPACK, 0 },
    { "failed to prepare extraction snapshot *", W_UNPACK, 0 },
    { "unable to prepare extraction snapshot", W_UNPACK, 0 },
    { "mount callback failed on *", W_UNPACK, 0 },
    { "error unpacking image", W_UNPACK, 0 },
    { "failed to unpack", W_UNPACK, 0 },
    { "failed to create snapshot", W_UNPACK, 0 },
    { "failed to commit snapshot", W_UNPACK, 0 },
    { "failed to create prepare snapshot dir", W_UNPACK, 0 },
    { "apply layer error", W_UNPACK, 0 },

    /* CRI-O: server/image_pull.go, internal/ociartifact */
    { "unable to pull image or oci artifact", W_PULL, STARTS },
    { "unable to pull image", W_PULL, STARTS },
    { "pull image err", W_PULL, 0 },
    { "artifact err", W_ARTIFACT, STARTS },

    /* github.com/containers/image: docker, copy, storage */
    { "initializing source $", W_RESOLVE, INNER | STARTS },
    { "initializing image from source $", W_MANIFEST, INNER },
    { "pinging container registry *", W_RESOLVE | W_PING, PLACE | STARTS },
    { "pinging docker registry *", W_RESOLVE | W_PING, PLACE | STARTS },
    { "mirrors also failed", 0, WRAPPER_MIRRORS },
    { "requesting bearer token", W_AUTH, 0 },
    { "requesting bear token", W_AUTH, 0 }, /* containers/image writes this, too */
    { "unable to retrieve auth token", W_AUTH, 0 },
    { "reading manifest * in *", W_MANIFEST, PLACE | STARTS },
    { "fetching target platform image selected from", W_MANIFEST, 0 },
    { "copying config", W_BLOB, 0 },
    { "parsing image configuration", W_BLOB, 0 },
    { "reading blob *", W_BLOB, 0 },
    { "fetching blob", W_BLOB, 0 },
    { "reading blob body from @", W_BLOB, 0 },
    { "error fetching @", 0, 0 },
    { "writing blob", W_BLOB, 0 },
    { "storing blob to file *", W_BLOB, 0 },
    { "happened during read", W_BLOB, 0 },
    { "adding layer with blob", W_UNPACK, 0 },
    { "unpacking failed", W_UNPACK, 0 },
    { "committing the finished image", W_UNPACK, STARTS },

    /* dockerd, and cri-dockerd or dockershim in front of it */
    { "error response from daemon", 0, STARTS },
    { "error pulling image $", W_PULL, IMAGE },
    { "error pulling image configuration", W_BLOB, 0 },
    { "download failed after attempts", W_BLOB, 0 },
    { "manifest for $", W_MANIFEST, INNER },
    { "failed to register layer", W_UNPACK, 0 },
    { "error processing tar file", W_UNPACK, 0 },
    { "re-exec error", W_UNPACK, 0 },
    { "applylayer", W_UNPACK, 0 },

    /* Creating a container: containerd's internal/cri/server, CRI-O, kuberuntime */
    { "failed to create containerd container", W_CREATE, 0 },
    { "failed to create containerd task", W_CREATE, 0 },
    { "failed to create shim task", W_CREATE, 0 },
    { "failed to create task for container", W_CREATE, 0 },
    { "failed to start container", W_CREATE, 0 },
    { "failed to start container $", W_CREATE, 0 },
    { "createcontainererror", W_CREATE, 0 },
    { "runcontainererror", W_CREATE, 0 },
    { "createcontainer within sandbox *", W_CREATE, 0 },
    { "createcontainer in sandbox * from runtime service failed", W_CREATE, 0 },

    /* Snapshotters that fetch layers when they are read: stargz, soci, nydus */
    { "failed to prepare remote snapshot", W_LAZY, 0 },
    { "failed to resolve layer", W_LAZY, 0 },
    { "cannot resolve layer", W_LAZY, 0 },
    { "failed to fetch soci artifacts", W_LAZY, 0 },
    { "unable to fetch soci index", W_LAZY, 0 },

    /* github.com/containers/image: signature stores */
    { "error reading signature from @", W_SIGNATURES, 0 },
    { "reading signature from @", W_SIGNATURES, 0 },
    { "reading signatures", W_SIGNATURES, 0 },
    { "error reading signatures", W_SIGNATURES, 0 },
    { "downloading signatures for *", W_SIGNATURES, 0 },

    /* net/http/httputil: a reverse proxy in front of the registry, not a proxy of the node */
    { "http proxy error", 0, 0 },

    /* Credential helpers: docker-credential-*, kubelet's plugins, containers/image */
    { "error getting credentials", W_CREDENTIALS, 0 },
    { "getting username and password", W_CREDENTIALS, 0 },
    { "error execing credential provider plugin", W_CREDENTIALS, 0 },
    { "failed getting credential", W_CREDENTIALS, 0 },
    { "credential provider plugin", W_CREDENTIALS, 0 },
    { "credential provider", W_CREDENTIALS, 0 },

    /* Go: net, net/http */
    { "lookup * on $", W_LOOKUP, LOOKUP | PLACE },
    { "lookup * on", W_LOOKUP, LOOKUP },
    { "lookup *", W_LOOKUP, LOOKUP },
    { "get @", 0, 0 },
    { "head @", 0, 0 },
    { "post @", 0, 0 },
    { "dial tcp $", W_DIAL, DIAL },
    { "dial tcp", W_DIAL, 0 },
    { "proxyconnect tcp", W_PROXY, 0 },
    { "error connecting to proxy *", W_PROXY, DIAL },
    { "error connecting to proxy", W_PROXY, 0 },
    { "dial unix *", W_SOCKET, 0 },
    { "error while dialing", W_SOCKET, 0 },

    /* BuildKit: its own summary follows the errors of its steps */
    { "failed to solve", 0, STARTS },

    /* Numbers that look like an HTTP status */
    { "exit code #", 0, 0 },
    { "exit status #", 0, 0 },
    { "stream id #", 0, 0 },
    /* docker-py, dockerode: the status of the daemon's API, not of the registry */
    { "http code # server error", 0, 0 },
    { "# server error for *", 0, 0 },
    { "# server error for * internal server error", 0, 0 },
    { "# client error for *", 0, 0 },
    { "api error #", 0, 0 },
    { "http status code #", 0, STATUS },
    { "http status #", 0, STATUS },
    { "http code #", 0, STATUS },
    { "http response code #", 0, STATUS },
    { "error parsing http # response body", 0, STATUS },
    { "response status code #", 0, STATUS },
    { "unexpected status code #", 0, STATUS },
    { "invalid status code from registry #", 0, STATUS },
    { "unexpected status from * request to @ #", 0, STATUS },
    { "unexpected status from * request to @", 0, 0 },
    { "unexpected status code @ #", 0, STATUS },
    { "unexpected status #", 0, STATUS },
    { "status code #", 0, STATUS },
    { "statuscode #", 0, STATUS },
    { "status #", 0, STATUS },
    { "response code #", 0, STATUS },
    { "http error #", 0, STATUS },
    { "error code #", 0, STATUS },
    { "http #", 0, STATUS },
    { "# bad request", 0, STATUS },
    { "# unauthorized", 0, STATUS },
    { "# authorization required", 0, STATUS },
    { "# payment required", 0, STATUS },
    { "# forbidden", 0, STATUS },
    { "# not found", 0, STATUS },
    { "# page not found", W_PAGE, STATUS },
    { "# trying to fetch remote history for *", 0, STATUS },
    { "# trying to fetch remote history", 0, STATUS },
    { "# method not allowed", 0, STATUS },
    { "# not acceptable", 0, STATUS },
    { "# proxy authentication required", 0, STATUS },
    { "# request timeout", 0, STATUS },
    { "# gone", 0, STATUS },
    { "# precondition failed", 0, STATUS },
    { "# precondition required", 0, STATUS },
    { "# too many requests", 0, STATUS },
    { "# unavailable for legal reasons", 0, STATUS },
    { "# internal server error", 0, STATUS },
    { "# server error", 0, STATUS },
    { "# not implemented", 0, STATUS },
    { "# bad gateway", 0, STATUS },
    { "# service unavailable", 0, STATUS },
    { "# service temporarily unavailable", 0, STATUS },
    { "# gateway timeout", 0, STATUS },
    { "# gateway time-out", 0, STATUS },
    { "# insufficient storage", 0, STATUS },
    { "# moved permanently", 0, STATUS },
    { "# temporary redirect", 0, STATUS },
    { "# origin dns error", 0, STATUS },
    { "# web server is down", 0, STATUS },

    /* The last resort: a field at the end of a log line, or any other text that names an image. */
    { "image $", 0, INNER },
};

const size_t n_wrappers = ARRAY_SIZE(wrappers);
