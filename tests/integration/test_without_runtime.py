# SPDX-License-Identifier: Apache-2.0
"""The agent with --cri.endpoint=off: the causes come from the API server alone, as where no hostPath is allowed."""

import json
import subprocess
import unittest

import support
from fault_story import FaultStory
from pods import running

# What nobody but the runtime tells. A 0 would say that nothing is pulled.
FROM_RUNTIME = ("imagepull_attempts_total", "imagepull_namespace_attempts_total", "imagepull_duration_seconds_count",
                "imagepull_size_duration_seconds_count", "imagepull_phase_seconds_total", "imagepull_bytes_total",
                "imagepull_size_duration_seconds_count", "imagepull_phase_seconds_total",
                "imagepull_in_progress", "imagepull_in_progress_bytes", "imagepull_in_progress_oldest_timestamp_seconds",
                "imagepull_cri_request_duration_seconds_count", "imagepull_cri_request_errors_total",
                "imagepull_runtime_info")


class WithoutRuntime(FaultStory):
    def setUp(self):
        super().setUp()
        self.agent = support.start_agent(self, ["--node-name=lab-node", "--cri.endpoint=off", *self.flags()])
        self.agent.wait_ready()
        self.sees("refused", "missing")

    def test_causes_are_known_and_the_end_is_seen(self):
        failures = self.agent.failures()
        self.assertEqual({pod: (each["cause"], each["image_present"], each["stall"])
                          for (pod, _), each in failures.items()},
                         {"refused": ("unauthorized", None, None), "missing": ("not_found", None, None)})
        self.pods.report("missing", running(), phase="Running")

        def ended():
            self.assertEqual(self.agent.failures()[("missing", "app")]["state"], "recovered")

        support.wait_for(ended, "the status alone ends the incident")
        metrics = self.agent.metrics()
        self.assertEqual(metrics.value("imagepull_recovery_seconds_count", cause="not_found"), 1)
        self.assertEqual(metrics.value("imagepull_blocked_containers", cause="unauthorized"), 1)

    def test_what_the_runtime_knows_is_absent_and_not_0(self):
        def failed():
            metrics = self.agent.metrics()
            return metrics if metrics.value("imagepull_failures_total") else False

        metrics = support.wait_for(failed, "a failure is counted")
        self.assertEqual([name for name in FROM_RUNTIME if metrics.find(name)], [])
        self.assertEqual({sample.labels["source"] for sample in metrics.find("imagepull_source_up")},
                         {"pods", "events"})

    def test_the_debug_answers_say_what_is_not_known(self):
        answer = json.loads(self.agent.get("/debug/sources")[1])["sources"]
        sources = {source["source"]: source for source in answer}
        self.assertEqual((sources["cri"]["state"], sources["cri"]["last_error"]), ("off", None))
        for word in ("durations", "progress", "stalled", "present"):
            self.assertIn(word, sources["cri"]["not_known"])
        self.assertIsNone(sources["pods"]["not_known"])
        self.assertEqual(json.loads(self.agent.get("/debug/images")[1])["images"], [])

    def test_it_is_no_fault(self):
        self.assertEqual(self.agent.get("/-/healthy", self.agent.web)[0], 200)
        done = subprocess.run([support.agent_binary(), "status", "--debug.listen-address=%s:%d" % self.agent.debug],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 1, done.stderr)  # containers are blocked, and all of that is known
        self.assertIn("cri off", done.stdout)
        self.assertIn("container runtime off", self.agent.log())
        self.assertNotIn("component=cri", self.agent.log())


if __name__ == "__main__":
    unittest.main()
