# SPDX-License-Identifier: Apache-2.0
"""The queries of docs/metrics.md that join kube-state-metrics, as promtool evaluates them."""

import json
import os
import re
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

BLOCKED = ('imagepull_container_blocked_info{{node="{node}",namespace="shop",pod="{pod}",'
           'container="app",image="r.io/web:v1",registry="r.io",cause="not_found",reason="manifest_unknown"}}')
POD = ('kube_pod_owner{{instance="{instance}",namespace="{namespace}",pod="{pod}",owner_kind="{kind}",owner_name="{name}",'
       'owner_is_controller="{controller}"}}')


def series():
    blocked = [("n1", "web-5d8f9-a"), ("n1", "web-5d8f9-b"), ("n2", "web-5d8f9-c"), ("n2", "log-x"), ("n2", "alone")]
    owners = [("shop", "web-5d8f9-a", "ReplicaSet", "web-5d8f9", "true"),
              ("shop", "web-5d8f9-b", "ReplicaSet", "web-5d8f9", "true"),
              ("shop", "web-5d8f9-c", "ReplicaSet", "web-5d8f9", "true"),
              ("shop", "web-5d8f9-c", "ConfigMap", "settings", "false"),
              ("shop", "log-x", "DaemonSet", "log", "true"),
              ("shop", "alone", "", "", ""),
              ("other", "web-5d8f9-a", "ReplicaSet", "else-1", "true")]
    yield from (BLOCKED.format(node=node, pod=pod) for node, pod in blocked)
    for instance in ("ksm-0", "ksm-1"):  # a rolling update of kube-state-metrics
        yield from (POD.format(instance=instance, namespace=namespace, pod=pod, kind=kind, name=name, controller=controller)
                    for namespace, pod, kind, name, controller in owners)
        yield (f'kube_replicaset_owner{{instance="{instance}",namespace="shop",replicaset="web-5d8f9",owner_kind="Deployment",'
               'owner_name="web",owner_is_controller="true"}')


WHY = 'namespace="shop",cause="not_found",reason="manifest_unknown"'
EXPECTED = [
    {'{owner_kind="ReplicaSet",owner_name="web-5d8f9",' + WHY + "}": 3,
     '{owner_kind="DaemonSet",owner_name="log",' + WHY + "}": 1,
     "{" + WHY + "}": 1},
    {'{deployment="web",' + WHY + "}": 3},
]


class Owners(unittest.TestCase):
    def test_queries_count_the_containers_of_an_owner(self):
        with open(os.path.join(ROOT, "docs", "metrics.md")) as page:
            queries = re.findall(r"```promql\n(.*?)```", page.read(), re.S)
        self.assertEqual(len(queries), len(EXPECTED))
        test = {"evaluation_interval": "1m", "tests": [{
            "interval": "1m",
            "input_series": [{"series": each, "values": "1795300680" if each.startswith("imagepull") else "1"}
                             for each in series()],
            "promql_expr_test": [{"expr": query, "eval_time": "0m", "exp_samples": [
                {"labels": labels, "value": value} for labels, value in expected.items()]}
                for query, expected in zip(queries, EXPECTED)]}]}
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as out:
            json.dump(test, out)
            out.flush()
            done = subprocess.run(["promtool", "test", "rules", out.name], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
