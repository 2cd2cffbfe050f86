# SPDX-License-Identifier: Apache-2.0
"""A pod's status like the kubelet's, made of the state in the runtime and the reasons why containers wait."""

import datetime

from api_write import now_text

RUNNING, EXITED = 1, 2  # CRI's ContainerState


def _time_text(nanoseconds):
    moment = datetime.datetime.fromtimestamp(nanoseconds // 10**9, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _state(found, waiting, default_reason):
    if found is not None and found.state == RUNNING:
        return {"running": {"startedAt": _time_text(found.started_at)}}
    if found is not None and found.state == EXITED:
        return {"terminated": {"exitCode": found.exit_code, "reason": found.reason,
                               "startedAt": _time_text(found.started_at),
                               "finishedAt": _time_text(found.finished_at)}}
    return {"waiting": waiting or {"reason": default_reason}}


def _container_status(container, found, waiting, default_reason):
    state = _state(found, waiting, default_reason)
    runs = "running" in state
    status = {"name": container["name"], "state": state, "lastState": {}, "ready": runs, "restartCount": 0,
              "image": container["image"], "imageID": found.image_ref if found else "", "started": runs}
    if found is not None:
        status["containerID"] = f"containerd://{found.id}"
    return status


def _initialized(container, status):
    if container.get("restartPolicy") == "Always":
        return status["started"]
    return "terminated" in status["state"] and status["state"]["terminated"]["exitCode"] == 0


def _condition(name, problem, old):
    """`problem` is None, or (reason, message). The time of the last change stays if nothing changed."""
    condition = {"type": name, "observedGeneration": 1, "status": "True" if problem is None else "False",
                 "lastProbeTime": None, "lastTransitionTime": now_text()}
    if problem and problem[0]:
        condition["reason"], condition["message"] = problem
    before = next((c for c in (old or {}).get("conditions", []) if c["type"] == name), None)
    if before and before["status"] == condition["status"]:
        condition["lastTransitionTime"] = before["lastTransitionTime"]
    return condition


def _phase(pod, statuses):
    ended = [s["state"].get("terminated") for s in statuses]
    if all(ended) and pod["spec"].get("restartPolicy") == "Never":
        return "Succeeded" if all(e["exitCode"] == 0 for e in ended) else "Failed"
    return "Running" if all("waiting" not in s["state"] for s in statuses) else "Pending"


def pod_status(pod, has_sandbox, found, waiting, old):
    """
    The status of `pod`. `found`: container name -> CRI's status or None. `waiting`: container name -> reason. `old`:
    the last status, for the times in it.
    """
    spec = pod["spec"]
    init = spec.get("initContainers", [])
    default_reason = "PodInitializing" if init else "ContainerCreating"

    def statuses(containers):
        return [_container_status(c, found[c["name"]], waiting.get(c["name"]), default_reason) for c in containers]

    init_statuses, main_statuses = statuses(init), statuses(spec["containers"])
    incomplete = [c["name"] for c, s in zip(init, init_statuses) if not _initialized(c, s)]
    unready = [s["name"] for s in main_statuses if not s["ready"]]
    not_initialized = ("ContainersNotInitialized", f"containers with incomplete status: [{' '.join(incomplete)}]")
    not_ready = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    problems = {
        "PodReadyToStartContainers": None if has_sandbox else ("", ""),
        "Initialized": not_initialized if incomplete else None,
        "Ready": not_ready if unready else None,
        "ContainersReady": not_ready if unready else None,
        "PodScheduled": None,
    }
    status = {"observedGeneration": pod["metadata"]["generation"], "phase": _phase(pod, main_statuses),
              "conditions": [_condition(name, problem, old) for name, problem in problems.items()],
              "startTime": (old or {}).get("startTime") or now_text(), "containerStatuses": main_statuses,
              "qosClass": "BestEffort"}
    if init_statuses:
        status["initContainerStatuses"] = init_statuses
    return status
