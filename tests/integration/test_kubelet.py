# SPDX-License-Identifier: Apache-2.0
"""The reports of the lab's kubelet, compared with those of a real kubelet about the same pods."""

import json
import re
import threading
import unittest

import support
import kube_codec as codec
import recorded_pods
from kubelet_events import BURST, Recorder
from kubelet_images import BackOff
from lab import Lab

# A sync after a failed pull must begin before its back-off ends, as on a real node, where that takes 10 s. Faster would
# be too fast for a slow machine.
SPEED = 6

# The runtime's part of a message differs from version to version; the kubelet's part does not.
_RUNTIME_WORDS = re.compile(r"(failed to pull and unpack image|get image config descriptor: no match for platform) .*")
_TOOK = re.compile(r"\d+(\.\d+)?m?s")


def masked(text):
    """A message without the parts that may differ: the host of the registry, the runtime's text, times and sizes."""
    text = re.sub(r'"[^"]*/([^"/]+/[^"/]+)"', r'"HOST/\1"', text)
    text = _RUNTIME_WORDS.sub("RUNTIME-ERROR", text)
    return re.sub(r"\d+ bytes", "N bytes", _TOOK.sub("TIME", text))


def state_of(status):
    (name, detail), = status["state"].items()
    return (status["name"], detail.get("reason") if name == "waiting" else name, masked(detail.get("message", "")))


class Story:
    """The story of one pod: its statuses and events in order, each different one once."""

    def __init__(self):
        self.states, self.events, self.fields = [], [], set()

    def add_pod(self, pod):
        status = pod.get("status", {})
        shown = [state_of(s) for group in ("initContainerStatuses", "containerStatuses") for s in status.get(group, [])]
        if shown and (not self.states or self.states[-1] != shown):
            self.states.append(shown)

    def of_container(self, name):
        """The part of one container. When the others change depends on how long a pull takes here."""
        states = [next(state for state in shown if state[0] == name) for shown in self.states]
        own = [state for state, before in zip(states, [None, *states]) if state != before]
        return own, [event for event in self.events if event[2] == f"spec.containers{{{name}}}"]

    def add_event(self, event):
        kind = (event["type"], event["reason"], event["involvedObject"].get("fieldPath"), masked(event["message"]))
        self.fields.add(frozenset(event))
        if kind not in self.events:
            self.events.append(kind)


def recorded_stories():
    stories = {}
    for name, add in (("pods.watch.pb", Story.add_pod), ("events.watch.pb", Story.add_event)):
        for event_type, body in codec.frames(support.recording(name)):
            if event_type not in ("ADDED", "MODIFIED"):
                continue
            kind, raw = codec.unwrap(body)
            value = codec.plain(codec.MESSAGES[kind].FromString(raw))
            pod = value.get("involvedObject", value["metadata"])["name"]
            add(stories.setdefault(pod, Story()), value)
    return stories


class Follower:
    """Watches the pods and events of a lab from the beginning and collects their stories."""

    def __init__(self, api):
        self.stories = {}
        self._lock = threading.Lock()
        for resource, add in (("pods", Story.add_pod), ("events", Story.add_event)):
            threading.Thread(target=self._follow, args=(api, resource, add), daemon=True).start()

    def _follow(self, api, resource, add):
        try:
            for event in api.watch(f"/api/v1/{resource}?watch=1"):
                if event["type"] in ("ADDED", "MODIFIED"):
                    value = event["object"]
                    pod = value.get("involvedObject", value["metadata"])["name"]
                    with self._lock:
                        add(self.stories.setdefault(pod, Story()), value)
        except OSError:
            pass  # the lab has ended

    def story(self, pod):
        with self._lock:
            return self.stories.get(pod, Story())


def pull_secret(name, registry, password):
    auths = {"auths": {registry: {"username": "lab", "password": password}}}
    return {"metadata": {"name": name}, "stringData": {".dockerconfigjson": json.dumps(auths)}}


def create_recorded_pods(lab):
    """The pods of the recording, with the registries of this lab."""
    for secret in recorded_pods.secrets(lab):
        lab.api.create("secrets", secret)

    def create(pods):
        for pod in pods:
            lab.api.create("pods", {"metadata": {"name": pod.name}, "spec": {"nodeName": lab.node, **pod.spec}})

    working = recorded_pods.working_pods(lab)
    create(working)
    for pod in working:
        support.wait_for(lambda: lab.api.get("pods", pod.name)["status"]["phase"] == "Running", f"{pod.name} runs")
    failing = recorded_pods.failing_pods(lab)
    create(failing[:-1])
    with open(lab.path("pause"), "rb") as program:
        layer = recorded_pods.stalled_layer(program.read())
    support.wait_for(lambda: layer in lab.containerd.ctr("content", "active"), "the download that stalls")
    create(failing[-1:])


# The runtime needs 30 s to notice that nobody answers, so net-timeout is not here.
FAILING = ("unauth-nosecret", "unauth-wrong", "unauth-secret-missing", "unauth-other-registry", "notfound-tag",
           "notfound-name", "net-dns", "net-refused", "net-tls", "net-tls-hang", "ratelimit", "err503", "digest",
           "platform", "init-fails", "sidecar-fails", "image-volume")
NEVER_PULLED = ("invalidname", "neverpull")
SILENT = ("stall", "behind-stall")


class AgainstTheRecording(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab(speed=SPEED))
        cls.recorded = recorded_stories()
        cls.follower = Follower(cls.lab.api)
        create_recorded_pods(cls.lab)

    def assert_same(self, pod, states, events=None):
        """The pod's first statuses and all (or the first) kinds of its events are the recorded ones, in that order."""
        recorded = self.recorded[pod]

        def same():
            story = self.follower.story(pod)
            self.assertEqual(story.states[:states], recorded.states[:states], pod)
            self.assertEqual(story.events[:events], recorded.events[:events], pod)

        support.wait_for(same, f"{pod} tells the recorded story")

    def test_failing_pods_match_the_recording(self):
        # ContainerCreating, ErrImagePull, ImagePullBackOff with the cause, and the last two again
        for pod in FAILING:
            with self.subTest(pod=pod):
                self.assertGreaterEqual(len(self.recorded[pod].states), 5)
                self.assert_same_unless_recovered(pod, 5)

    def assert_same_unless_recovered(self, pod, states):
        # In the recording some pods are repaired or deleted, with more kinds of events.
        recorded = self.recorded[pod]
        cut = next((i for i, e in enumerate(recorded.events) if e[1] in ("Pulled", "Created", "Killing")), None)
        recorded.events = recorded.events[:cut]
        self.assert_same(pod, states)

    def test_pods_that_can_never_pull_match_the_recording(self):
        for pod in NEVER_PULLED:
            with self.subTest(pod=pod):
                self.assert_same(pod, 2)

    def test_healthy_pods_match_the_recording(self):
        for pod in ("ok-pause", "ok-big"):
            with self.subTest(pod=pod):
                self.assert_same(pod, 2)

    def test_silent_pulls_match_the_recording(self):
        # Later the runtime gives up: of the recording after 5 minutes, of the lab sooner.
        for pod in SILENT:
            self.assertEqual(self.recorded[pod].events[0][1], "Pulling")
            with self.subTest(pod=pod):
                self.assert_same(pod, states=1, events=1)

    def test_containers_of_one_pod_fail_independently(self):
        for name in "abc":
            recorded_states, recorded_events = self.recorded["two-causes"].of_container(name)

            def same():
                states, events = self.follower.story("two-causes").of_container(name)
                self.assertEqual(states[:3], recorded_states[:3], name)
                self.assertEqual(events, recorded_events, name)

            with self.subTest(container=name):
                self.assertGreaterEqual(len(recorded_states), 2)
                support.wait_for(same, f"{name} tells the recorded story")

    def test_events_have_the_recorded_fields(self):
        support.wait_for(lambda: bool(self.follower.story("unauth-wrong").fields), "an event")
        listed = json.loads(support.recording("events.list.json"))["items"]
        recorded = {frozenset(event) for event in listed}
        made = {frozenset(e) for e in self.lab.api.list("events")}
        self.assertEqual(made, recorded)
        source = {"component": "kubelet", "host": "lab-node"}
        self.assertTrue(all(e["source"] == source for e in self.lab.api.list("events")))

    def test_a_repaired_secret_starts_the_pod(self):
        lab = self.lab
        lab.api.create("secrets", pull_secret("repair", lab.private.host, "wrong"))
        lab.api.create("pods", {"metadata": {"name": "repaired"}, "spec": {
            "nodeName": lab.node, "imagePullSecrets": [{"name": "repair"}],
            "containers": [{"name": "app", "image": f"{lab.private.host}/lab/pause:1", "imagePullPolicy": "Always"}]}})
        support.wait_for(lambda: any(s[0][1] == "ErrImagePull" for s in self.follower.story("repaired").states),
                         "the wrong password fails")
        lab.api.update("secrets", pull_secret("repair", lab.private.host, "correct-horse"))
        support.wait_for(lambda: self.follower.story("repaired").states[-1] == [("app", "running", "")],
                         "the pod runs")
        lab.api.delete("pods", "repaired")
        support.wait_for(lambda: lab.api.get("pods", "repaired") is None, "the pod is gone")


class OldMessages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab(speed=SPEED, old_messages=True))

    def test_back_off_of_old_kubelets_keeps_the_code_only(self):
        image = self.lab.endpoints["forbidden"] + "/team/app:v1"
        self.lab.api.create("pods", {"metadata": {"name": "old"}, "spec": {
            "nodeName": self.lab.node, "containers": [{"name": "app", "image": image}]}})
        follower = Follower(self.lab.api)

        def reported():
            waiting = [state[0][1:] for state in follower.story("old").states]
            self.assertIn(("ErrImagePull", "rpc error: code = Unknown desc = RUNTIME-ERROR"), waiting)
            self.assertIn(("ImagePullBackOff", 'Back-off pulling image "HOST/team/app:v1"'), waiting)
            self.assertIn(("Warning", "Failed", "spec.containers{app}",
                           'Failed to pull image "HOST/team/app:v1": rpc error: code = Unknown desc = RUNTIME-ERROR'),
                          follower.story("old").events)

        support.wait_for(reported, "the old wording")


class OneByOne(unittest.TestCase):
    """serializeImagePulls."""

    def test_a_pull_waits_for_the_one_before_it(self):
        lab = self.enterContext(Lab(speed=SPEED, kubelet_arguments=["--serialize-image-pulls"]))

        def create(name, image):
            lab.api.create("pods", {"metadata": {"name": name}, "spec": {
                "nodeName": lab.node, "containers": [{"name": "app", "image": image}]}})

        def messages(name, reason):
            return [e["message"] for e in lab.api.list("events")
                    if (e["involvedObject"]["name"], e["reason"]) == (name, reason)]

        create("first", lab.endpoints["stalls"] + "/team/app:v1")
        support.wait_for(lambda: "layer-" in lab.containerd.ctr("content", "active"), "the first pull stands still")
        create("second", lab.open.image("lab/big", "1"))
        # As a real kubelet does, it records the event before the pull starts.
        support.wait_for(lambda: messages("second", "Pulling") != [], "the second pod wants its image")
        self.assertNotIn("lab/big", lab.containerd.ctr("images", "ls", "-q"))
        lab.registries.set_pace("stalls")
        message, = support.wait_for(lambda: messages("second", "Pulled") or False, "both are pulled")
        seconds = [float(number) / (1000 if unit == "ms" else 1)
                   for number, unit in re.findall(r"([\d.]+)(ms|s)\b", message)]
        self.assertRegex(message, r" in [\d.]+m?s \([\d.]+m?s including waiting\)\. Image size: \d+ bytes\.$")
        self.assertLess(seconds[0], seconds[1])


class FakeApi:
    """Keeps the events that it gets."""

    def __init__(self):
        self.events = {}

    def create(self, resource, value, namespace):
        return self.update(resource, value)

    def update(self, resource, value):
        self.events[value["metadata"]["name"]] = value
        return value


class SpamFilter(unittest.TestCase):
    def test_events_of_one_pod_are_limited_as_in_the_recording(self):
        """The kubelet recorded 26 events of the pod 'neverpull': a burst of 25, and one after 300 s."""
        recorded = sum(codec.MESSAGES["Event"].FromString(codec.unwrap(body)[1]).involvedObject.name == "neverpull"
                       for _, body in codec.frames(support.recording("events.watch.pb")))
        self.assertEqual(recorded, BURST + 1)

        api = FakeApi()
        recorder = Recorder(api, "lab-node")
        pod = {"metadata": {"name": "p", "namespace": "default", "uid": "u", "resourceVersion": "1"}}
        for _ in range(3 * BURST):
            recorder.record(pod, "Warning", "Failed", "Error: ErrImageNeverPull", "spec.containers{app}")
        recorder.record(pod, "Normal", "BackOff", "another type has a bucket of its own")
        self.assertEqual(sorted(e["count"] for e in api.events.values()), [1, BURST])


class BackOffTimes(unittest.TestCase):
    def test_it_doubles_and_ends_at_five_minutes(self):
        back_off = BackOff(speed=1)
        seconds = []
        for _ in range(7):
            back_off.failed(("uid", "image"), "why")
            seconds.append(back_off._entries[("uid", "image")][0])
        self.assertEqual(seconds, [10, 20, 40, 80, 160, 300, 300])
        self.assertEqual(back_off.error(("uid", "image")), "why")
        self.assertIsNone(back_off.error(("uid", "another")))
        back_off.forget("uid")
        self.assertIsNone(back_off.error(("uid", "image")))


if __name__ == "__main__":
    unittest.main()
