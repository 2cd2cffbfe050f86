# SPDX-License-Identifier: Apache-2.0
"""The node of the cluster: a kubelet on a containerd."""

import os
import resource

import control_plane
import tools
from component import Component
from containerd import Containerd
from images import ARCHITECTURE
from procs import LabError

RUNTIME_SOCKET = "/run/containerd/containerd.sock"  # where the manifests of deploy/ look for it
CNI_PROGRAMS = "/usr/lib/cni"
PODS = "10.244.0.0/24"

_RUNTIME_CONFIG = """\
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{programs}"
  conf_dir = "{{root}}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    BinaryName = "{{root}}/bin/runc-without-hugepages"
# The transfer service, which pulls since 2.1, unpacks only for the snapshotters that are named here.
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux/{architecture}"
  snapshotter = "native"
""".format(programs=CNI_PROGRAMS, architecture=ARCHITECTURE)

# The kubelet sets limits of huge pages, which fail where the kernel has no control group for them. With cgroupsPerQOS
# off it does not name a control group, and containerd would use one that all its instances on this machine share.
_RUNC = """\
#!/bin/sh
previous=
for word; do
    if [ "$previous" = --bundle ]; then
        sed -i -e 's/"hugepageLimits":\\[[^]]*\\],\\?//' -e 's,"cgroupsPath":"/k8s.io/,"cgroupsPath":"/{cgroup}/,' \\
            "$word/config.json"
    fi
    previous=$word
done
exec runc "$@"
"""


def runtime(folder, nameserver, suite, cgroup):
    """
    containerd of a Debian suite at its usual address, for pods with a network of their own and control groups below
    `cgroup`.
    """
    if not os.access(os.path.join(CNI_PROGRAMS, "bridge"), os.X_OK):
        raise LabError(f"there is no {CNI_PROGRAMS}/bridge: install the Debian package containernetworking-plugins")
    os.makedirs(os.path.dirname(RUNTIME_SOCKET))
    os.makedirs(os.path.join(folder, "cni"))
    os.makedirs(os.path.join(folder, "bin"))
    control_plane.write_json(os.path.join(folder, "cni", "10-pods.conflist"), {
        "cniVersion": "0.4.0", "name": "pods", "plugins": [{
            "type": "bridge", "bridge": "pods0", "isGateway": True,
            "ipam": {"type": "host-local", "dataDir": os.path.join(folder, "addresses"),
                     "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}}]})
    wrapper = os.path.join(folder, "bin", "runc-without-hugepages")
    with open(wrapper, "w") as out:
        out.write(_RUNC.format(cgroup=cgroup))
    os.chmod(wrapper, 0o755)
    return Containerd(folder, nameserver, suite, namespaces=False, socket_path=RUNTIME_SOCKET,
                      more_config=_RUNTIME_CONFIG)


class Kubelet(Component):
    def __init__(self, folder, pki, node, settings=None):
        """`settings`: more fields of KubeletConfiguration."""
        self.folder, self.node = folder, node
        self.static_pods = os.path.join(folder, "static-pods")
        self._pki, self._settings = pki, settings or {}
        super().__init__("kubelet", self._command_of_start, os.path.join(folder, "..", "kubelet.log"))

    def configuration(self):
        certificate, key = self._pki.kubelet_serving(self.node)
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{RUNTIME_SOCKET}",
            "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": self._pki.ca_file}},
            "tlsCertFile": certificate, "tlsPrivateKeyFile": key,
            "staticPodPath": self.static_pods, "podLogsDir": os.path.join(self.folder, "pod-logs"),
            "evictionHard": {}, "imageGCHighThresholdPercent": 100, "failSwapOn": False, "resolvConf": "",
            # Nothing answers there. Without it the kubelet repeats an Event MissingClusterDNS for each pod, and its
            # spam filter then drops others.
            "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local",
            # This machine is a container: it has cgroups of version 1, does not give them to others, and has not the
            # right to lower an OOM score or to raise a limit.
            "failCgroupV1": False, "cgroupDriver": "cgroupfs", "cgroupsPerQOS": False, "enforceNodeAllocatable": [],
            "oomScoreAdj": 0, "maxOpenFiles": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "makeIPTablesUtilChains": False,
            # Its cache of Secrets must be filled within a second, or the kubelet pulls without the Secret.
            "configMapAndSecretChangeDetectionStrategy": "Get",
            **self._settings,
        }

    def _command_of_start(self):
        os.makedirs(self.static_pods, exist_ok=True)
        config = control_plane.write_json(os.path.join(self.folder, "kubelet.json"), self.configuration())
        return [tools.path("kubelet"), f"--config={config}", f"--root-dir={os.path.join(self.folder, 'kubelet')}",
                f"--cert-dir={os.path.join(self.folder, 'kubelet-pki')}", f"--hostname-override={self.node}",
                f"--node-ip={control_plane.NODE_ADDRESS}", "-v=2",
                f"--kubeconfig={self._pki.kubeconfig('system:node:' + self.node, 'system:nodes')}"]

    def write_static_pod(self, name, spec, namespace="default"):
        """The kubelet starts it without the API server and reports it there as NAME-NODE."""
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}
        part = os.path.join(self.static_pods, f".{name}.json")  # the kubelet does not read a file with a dot
        control_plane.write_json(part, pod)
        os.rename(part, os.path.join(self.static_pods, name + ".json"))

    def remove_static_pod(self, name):
        os.unlink(os.path.join(self.static_pods, name + ".json"))
