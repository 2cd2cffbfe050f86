// SPDX-License-Identifier: Apache-2.0
//
// The settings of the rules. deploy/README.md shows how to change them.
{
  _config+:: {
    // The label that names the cluster. All agents and kube-state-metrics must have it, or none.
    clusterLabel: 'cluster',
    // The labels that name the blocked container. A Prometheus that overrides honorLabels renames them: see
    // exported-labels.jsonnet.
    namespaceLabel: 'namespace',
    podLabel: 'pod',
    containerLabel: 'container',

    // The job of the agents, and their DaemonSet.
    job: 'imagepull-exporter',
    agentNamespace: 'imagepull-exporter',
    daemonset: 'imagepull-exporter',
    // More matchers for every metric of the agents, for example 'env="prod"'.
    selector: '',
    // Containers of these namespaces have alerts: more matchers, for example 'namespace!~"sandbox-.*"'.
    namespaceSelector: '',
    // The nodes that must have an agent. `kube_node_info` comes from kube-state-metrics. Without it, use the kubelets:
    // 'up{job="kubelet",metrics_path="/metrics"}'.
    nodes: 'kube_node_info{os_image!~"Windows.*"}',
    // The same for one cluster, for descriptions. It follows from `nodes`.
    nodesOfCluster: std.strReplace(self.nodes, '}', ',%s=%%q}' % self.clusterLabel),

    runbookBase: std.stripChars(importstr '../alerts/runbook-base-url', ' \n/') + '/',

    // Severities by alert. All others are `warning`.
    severity: {
      ImageRegistryUnreachable: 'critical',
      ImagePullInProgressForLong: 'info',
      ImagePullUnclassifiedShare: 'info',
    },
    // Other names for alerts: {ImageNotFound: 'OurImageNotFound'}. The Alertmanager example uses the names here.
    names: {},
    // Alerts that are left out: ['ImagePullUnclassifiedShare'].
    without: [],

    // A container has an alert if it is blocked for longer than this. In 3 minutes the kubelet makes four or five
    // attempts; most failures of a rollout end before that.
    blockedSeconds: 180,
    // ImagePullKeepsFailing: so many failed pulls in 15 minutes, and no container is blocked for longer than that.
    shortLivedFailures: 3,
    // ImagePullInProgressForLong.
    longPullSeconds: 3600,
    // ImageRegistryUnreachable: so many nodes, ...
    pageNodes: 3,
    // ... and for so long. The back-off of the kubelet tries at 0, 10, 30, 70, 150 and 310 seconds. With less than 310
    // seconds, a registry that was away for 160 seconds would still page.
    pageFor: '6m',
    // So many namespaces must be refused before wrong credentials are a fault of the registry and not of one team.
    pageNamespaces: 2,
    // ImagePullUnclassifiedShare.
    unclassifiedShare: 0.05,
  },
}
