# SPDX-License-Identifier: Apache-2.0
"""
increase() and the first count of a series, with a current Prometheus (Debian's is too old for created timestamps).

A series that appears with the value 1 has not increased, as far as Prometheus can tell, if nothing says that it began at
0. docs/metrics.md promises what is measured here.
"""

import os
import sys
import unittest

import tools

sys.path.insert(0, os.path.join(tools.ROOT, "tests", "integration"))

import support  # noqa: E402
from pods import Pods, pod, running, waiting  # noqa: E402
from prometheus_server import Prometheus  # noqa: E402

ANY_RUNTIME = True

KNOWN, FRESH = "known.example", "fresh.example"
FEATURES = "created-timestamp-zero-ingestion"


class FirstFailure(unittest.TestCase):
    """Two agents see the same pods; one says when its counters began."""

    @classmethod
    def setUpClass(cls):
        folder = support.Folder()
        cls.addClassCleanup(folder.remove)
        double = support.start_api(cls, folder.path)
        cls.pods = Pods(double.client())
        cls.pods.create(pod("works", image=KNOWN + "/team/app:v1"), running(), phase="Running")
        agents = {name: support.start_agent(cls, ["--node-name=lab-node", *double.agent_flags(),
                                                  "--cri.endpoint=unix:///nonexistent/containerd.sock", *flags], name)
                  for name, flags in (("plain", []), ("created", ["--metrics.created=on"]))}
        for agent in agents.values():
            agent.wait_ready()
        cls.prometheus = Prometheus(
            folder.path, {name: ("%s:%d" % agent.web, []) for name, agent in agents.items()},
            program=tools.path("prometheus"), features=FEATURES)
        cls.addClassCleanup(cls.prometheus.stop)
        cls.prometheus.wait_ready()
        for job in agents:
            cls.eventually(f'count_over_time(imagepull_failures_total{{job="{job}",registry="{KNOWN}",'
                           'cause="not_found"}[1m]) >= 3')
        for name, registry in (("of-known", KNOWN), ("of-fresh", FRESH)):
            image = f"{registry}/team/typo:v1"
            cls.pods.create(pod(name, image=image), waiting("ErrImagePull", f"{image}: not found"))
        for job in agents:
            cls.eventually(f'count_over_time(imagepull_failures_total{{job="{job}",registry="{FRESH}",'
                           'cause="not_found"}[1m]) >= 5')

    @classmethod
    def eventually(cls, expression):
        return support.wait_for(lambda: cls.prometheus.query(expression) or False, expression)

    def increase(self, job, series):
        """The increase in the last minute; None if the series has none."""
        name, _, matchers = series.partition("{")
        found = self.prometheus.query(f'increase({name}{{job="{job}",{matchers}[1m])')
        self.assertLessEqual(len(found), 1)
        value = next(iter(found.values()), None)
        return value and round(value)  # it extrapolates a little

    def test_created_timestamps_show_the_first_failure_of_every_series(self):
        for series, failures in ((f'imagepull_failures_total{{registry="{FRESH}",cause="not_found"}}', 1),
                                 (f'imagepull_failures_total{{registry="{KNOWN}",cause="not_found"}}', 1),
                                 (f'imagepull_failures_total{{registry="{FRESH}",cause="network"}}', 0),
                                 ('imagepull_failure_reasons_total{reason="image_not_found"}', 2),
                                 (f'imagepull_attempts_total{{registry="{FRESH}"}}', 1),
                                 (f'imagepull_namespace_failures_total{{registry="{FRESH}",cause="not_found"}}', 1)):
            with self.subTest(series):
                self.assertEqual(self.increase("created", series), failures)

    def test_without_them_a_registry_that_pods_named_before_shows_it(self):
        self.assertEqual(self.increase("plain", f'imagepull_failures_total{{registry="{KNOWN}",cause="not_found"}}'), 1)

    def test_without_them_the_first_count_of_a_new_series_is_not_an_increase(self):
        """If this fails, created timestamps are not needed any more: see docs/metrics.md."""
        self.assertEqual(self.increase("plain", 'imagepull_failure_reasons_total{reason="image_not_found"}'), 0)

    def test_the_timestamps_are_no_series(self):
        self.assertEqual(self.prometheus.query('{__name__=~"imagepull_.*_created"}'), {})
        self.assertEqual({health for health, _ in self.prometheus.targets().values()}, {"up"})


if __name__ == "__main__":
    unittest.main()
