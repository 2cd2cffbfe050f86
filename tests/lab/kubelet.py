# SPDX-License-Identifier: Apache-2.0
"""
The lab's kubelet: gets the pods of its node from the double of the API server, runs them on a real runtime and
reports like a kubelet 1.36 (with --old-messages like one before 1.32).

    kubelet.py --api URL --ca FILE --token-file FILE --runtime SOCKET --node NAME --logs DIR --cgroup NAME
               [--speed N] [--old-messages] [--serialize-image-pulls]
"""

import argparse
import logging
import os
import time

from cri import Cri, pb
from kube_client import ApiError, KubeClient
from kubelet_events import Recorder
from kubelet_images import ImageManager
from kubelet_pod import PodWorker


class Kubelet:
    def __init__(self, args):
        self.node, self.speed, self.old_messages = args.node, args.speed, args.old_messages
        self._logs, self._cgroup = args.logs, args.cgroup
        self.api = KubeClient(args.api, args.ca, args.token_file)
        self.runtime = Cri(args.runtime)
        self.events = Recorder(self.api, self.node, self.speed)
        self.images = ImageManager(self.runtime, self.speed, self.old_messages, args.serialize_image_pulls)
        self._workers = {}

    def run(self):
        """Follow the pods of the node until the process ends."""
        path = f"/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3D{self.node}"
        while True:
            try:
                for event in self.api.watch(path):
                    self._on_event(event["type"], event["object"])
            except (OSError, ApiError) as error:
                logging.warning("watch of pods ended, again in 0.2 s: %s", error)
                time.sleep(0.2)

    def _on_event(self, event_type, pod):
        uid = pod["metadata"].get("uid")
        if event_type == "DELETED":
            self._workers.pop(uid, None)
        elif event_type in ("ADDED", "MODIFIED"):
            if uid in self._workers:
                self._workers[uid].update(pod)
            else:
                worker = self._workers[uid] = PodWorker(self, pod)
                worker.start()

    # --- the runtime's configuration of a pod ---

    @staticmethod
    def _namespaces(options):
        """Use the network of the node: there is no CNI, and everything is on loopback."""
        options.network, options.ipc, options.pid = pb.NODE, pb.NODE, pb.CONTAINER

    def sandbox_config(self, pod):
        metadata = pod["metadata"]
        names = {"name": metadata["name"], "uid": metadata["uid"], "namespace": metadata["namespace"]}
        config = pb.PodSandboxConfig(
            metadata=pb.PodSandboxMetadata(**names),
            log_directory=os.path.join(self._logs, metadata["uid"]),
            labels={f"io.kubernetes.pod.{key}": value for key, value in names.items()},
            annotations=metadata.get("annotations", {}))
        config.linux.cgroup_parent = f"/{self._cgroup}"
        self._namespaces(config.linux.security_context.namespace_options)
        return config

    def container_config(self, container, image_id):
        config = pb.ContainerConfig(
            metadata=pb.ContainerMetadata(name=container["name"]), image=pb.ImageSpec(image=image_id),
            command=container.get("command", []), args=container.get("args", []),
            labels={"io.kubernetes.container.name": container["name"]}, log_path=container["name"] + ".log")
        self._namespaces(config.linux.security_context.namespace_options)
        return config


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    for flag in ("--api", "--ca", "--token-file", "--runtime", "--node", "--logs", "--cgroup"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--speed", type=float, default=1.0, help="divides every waiting time")
    parser.add_argument("--old-messages", action="store_true", help="the wording of kubelets before 1.32")
    parser.add_argument("--serialize-image-pulls", action="store_true", help="one after the other")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    Kubelet(parser.parse_args()).run()


if __name__ == "__main__":
    main()
