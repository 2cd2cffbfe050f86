# SPDX-License-Identifier: Apache-2.0
"""A small CRI client for the lab's kubelet and the tests."""

import grpc

import protos

pb = protos.cri()
# A deadline that no healthy runtime reaches, however slow the machine is.
_SECONDS = 120
_IMAGE, _RUNTIME = "/runtime.v1.ImageService/", "/runtime.v1.RuntimeService/"


class Cri:
    """One channel to a runtime's socket. Every method may raise grpc.RpcError."""

    def __init__(self, socket_path):
        # Reconnect soon, like the kubelet's client, which waits 3 s at most.
        options = [("grpc.initial_reconnect_backoff_ms", 200), ("grpc.max_reconnect_backoff_ms", 1000)]
        self.channel = grpc.insecure_channel("unix://" + socket_path, options)

    def close(self):
        self.channel.close()

    def _call(self, method, request, response_type, timeout=_SECONDS):
        call = self.channel.unary_unary(method, request_serializer=type(request).SerializeToString,
                                        response_deserializer=response_type.FromString)
        return call(request, timeout=timeout)

    def version(self):
        return self._call(_RUNTIME + "Version", pb.VersionRequest(), pb.VersionResponse)

    def image(self, reference):
        """The image's record, or None if the node does not have it."""
        request = pb.ImageStatusRequest(image=pb.ImageSpec(image=reference))
        response = self._call(_IMAGE + "ImageStatus", request, pb.ImageStatusResponse)
        return response.image if response.HasField("image") else None

    def pull(self, reference, credentials=None, sandbox_config=None, started=None):
        """
        Pull without a deadline, like the kubelet. `started` gets the call; its cancel() ends the pull.
        """
        request = pb.PullImageRequest(image=pb.ImageSpec(image=reference), sandbox_config=sandbox_config)
        if credentials:
            request.auth.CopyFrom(pb.AuthConfig(username=credentials[0], password=credentials[1]))
        method = self.channel.unary_unary(_IMAGE + "PullImage",
                                          request_serializer=pb.PullImageRequest.SerializeToString,
                                          response_deserializer=pb.PullImageResponse.FromString)
        call = method.future(request)
        if started:
            started(call)
        return call.result().image_ref

    def remove_image(self, reference):
        request = pb.RemoveImageRequest(image=pb.ImageSpec(image=reference))
        self._call(_IMAGE + "RemoveImage", request, pb.Empty)

    def run_sandbox(self, config):
        request = pb.RunPodSandboxRequest(config=config)
        return self._call(_RUNTIME + "RunPodSandbox", request, pb.RunPodSandboxResponse).pod_sandbox_id

    def remove_sandbox(self, sandbox_id):
        """Stop it and remove it with all its containers."""
        self._call(_RUNTIME + "StopPodSandbox", pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id), pb.Empty)
        self._call(_RUNTIME + "RemovePodSandbox", pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id),
                   pb.Empty)

    def list_sandboxes(self):
        return self._call(_RUNTIME + "ListPodSandbox", pb.ListPodSandboxRequest(),
                          pb.ListPodSandboxResponse).items

    def create_container(self, sandbox_id, config, sandbox_config):
        request = pb.CreateContainerRequest(pod_sandbox_id=sandbox_id, config=config, sandbox_config=sandbox_config)
        return self._call(_RUNTIME + "CreateContainer", request, pb.CreateContainerResponse).container_id

    def start_container(self, container_id):
        self._call(_RUNTIME + "StartContainer", pb.StartContainerRequest(container_id=container_id), pb.Empty)

    def remove_container(self, container_id):
        stop = pb.StopContainerRequest(container_id=container_id, timeout=1)
        self._call(_RUNTIME + "StopContainer", stop, pb.Empty)
        self._call(_RUNTIME + "RemoveContainer", pb.RemoveContainerRequest(container_id=container_id), pb.Empty)

    def container(self, container_id):
        request = pb.ContainerStatusRequest(container_id=container_id)
        return self._call(_RUNTIME + "ContainerStatus", request, pb.ContainerStatusResponse).status
