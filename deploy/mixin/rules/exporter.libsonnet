// SPDX-License-Identifier: Apache-2.0
//
// Alerts on the agents themselves. While one of these fires, the other alerts may miss failures.
//
// Everything is first taken per node: while agents are updated, a node has two, and the series of an old agent are
// found for some minutes after its end.
function(config)
  local lib = (import '../lib.libsonnet')(config);
  local cluster = config.clusterLabel;
  local node = lib.labels(['cluster', 'node']);
  local up = 'up{job="%s"%s}' % [config.job, if config.selector == '' then '' else ',' + config.selector];
  local upOf = 'up{job="%s",%s=%%q}' % [config.job, cluster];
  local daemonset(metric) = '%s{namespace="%s",daemonset="%s"}' % [metric, config.agentNamespace, config.daemonset];
  local desired = daemonset('kube_daemonset_status_desired_number_scheduled');
  local ready = daemonset('kube_daemonset_status_number_ready');
  local updated = daemonset('kube_daemonset_status_updated_number_scheduled');
  [lib.group('imagepull-exporter', [
    {
      record: 'cluster:imagepull_agents:count',
      expr: 'count by (%s) (count by (%s) (%s == 1))' % [cluster, node, up],
    },

    // One alert for all nodes, because a failure of the API server or the network affects many agents. A node counts
    // only if no agent of it answered for 5 minutes: in a large cluster some agent is always starting or stopping.
    lib.alert('ImagePullExporterDown', {
      expr: |||
        count by (%s, job) (
          max by (%s, job) (max_over_time(%s[5m])) == 0)
      ||| % [cluster, node, up],
      'for': '5m',
      keep_firing_for: '5m',
      summary: 'Agents do not answer Prometheus.',
      description: '{{ $value }} imagepull-exporter(s) do not answer Prometheus:%s. Image pull failures on these nodes are not reported. Check the pods of the DaemonSet, then the NetworkPolicy and the scrape configuration.' % lib.list(
        'topk(3, max by (node) (max_over_time(%s[5m])) == 0)' % upOf, [cluster], 'node', '{{ .Labels.node }}'
      ),
      runbook: 'exporter.md',
    }),

    // A cluster that had agents within a day and has no target, or a Prometheus without any target that has a node.
    lib.alert('ImagePullExporterAbsent', {
      expr: |||
        (max_over_time(cluster:imagepull_agents:count[1d]) unless on (%s) %s)
          or absent(up{job="%s",node!=""})
      ||| % [cluster, up, config.job],
      'for': '10m',
      keep_firing_for: '5m',
      summary: 'A cluster has no agent.',
      description: 'Prometheus has no imagepull-exporter target with the labels job and node{{ with $labels.%s }} in cluster {{ . }}{{ end }}. Nobody reports image pull failures there. Check the DaemonSet, then the PodMonitor or the scrape job, which must set these labels.' % cluster,
      runbook: 'exporter.md',
    }),

    // A node without an agent is no target of Prometheus, so this needs kube-state-metrics. A node counts only if it is
    // there for 15 minutes and had no target in that time: in a large cluster some node is always new.
    lib.alert('ImagePullExporterMissing', {
      expr: |||
        count by (%(cluster)s) (
          count by (%(node)s) (%(nodes)s and on (%(node)s) %(nodes)s offset 15m)
            unless on (%(node)s) max_over_time(%(up)s[15m])
            and on (%(cluster)s) cluster:imagepull_agents:count)
      ||| % { cluster: cluster, node: node, nodes: config.nodes, up: up },
      'for': '5m',
      keep_firing_for: '5m',
      summary: 'Nodes have no agent.',
      description: '{{ $value }} node(s) have no imagepull-exporter:%s. Image pull failures there are not reported. Either the DaemonSet has no pod there (taints, quota, nodeSelector), or the pod has no address yet.' % lib.list(
        'topk(3, count by (node) (%s offset 15m) unless on (node) max_over_time(%s[15m]))' %
        [config.nodesOfCluster, upOf],
        [cluster, cluster],
        'node',
        '{{ .Labels.node }}'
      ),
      runbook: 'exporter.md',
    }),

    // From kube-state-metrics, while neither the nodes nor the update make progress. With maxSurge the old agents stay
    // ready, so an update that stands still shows only in the number of updated pods.
    lib.alert('ImagePullExporterNotReady', {
      expr: |||
        sum by (%(cluster)s) (
          (%(desired)s - %(ready)s > 0
            or %(desired)s - %(updated)s > 0)
          unless changes(%(desired)s[15m]) > 0
          unless changes(%(updated)s[15m]) > 0
        )
      ||| % { cluster: cluster, desired: desired, ready: ready, updated: updated },
      'for': '15m',
      keep_firing_for: '5m',
      summary: 'Pods of the DaemonSet are not ready, or its update stands still.',
      description: '{{ $value }} node(s){{ with $labels.%s }} of cluster {{ . }}{{ end }} have no ready agent of the current version. See kubectl -n %s get pods -o wide, and describe a pod that is not ready.' %
                   [cluster, config.agentNamespace],
      runbook: 'exporter.md',
    }),

    lib.alert('ImagePullExporterSourceDown', {
      expr: |||
        count by (%s) (
          max by (%s) (max_over_time(%s[5m])) == 0)
      ||| % [
        lib.labels(['cluster', 'source']),
        lib.labels(['cluster', 'node', 'source']),
        lib.series('imagepull_source_up', 'source!="cri"'),
      ],
      'for': '5m',
      keep_firing_for: '5m',
      summary: 'Agents cannot read the pods or the events.',
      description: "{{ $value }} imagepull-exporter(s) cannot read {{ $labels.source }}:%s. Without pods the agent sees no new failures. Without events it does not see missing pull Secrets, and on kubelets before 1.32 it misses some causes. The agent's log shows the answer of the API server. 403 means that the ClusterRole does not match the agent's flags." % lib.list(
        'topk(3, max by (node) (max_over_time(imagepull_source_up{source=%%q,%s=%%q}[5m])) == 0)' % cluster,
        ['source', cluster],
        'node',
        '{{ .Labels.node }}'
      ),
      runbook: 'exporter.md',
    }),

    // The alerts on containers use series of which each agent has 100 at most. One alert for a cluster.
    lib.alert('ImagePullExporterCapped', {
      expr: |||
        count by (%s) (
          max by (%s) (%s) > 0)
      ||| % [cluster, node, lib.series('imagepull_container_blocked_left_out')],
      'for': '5m',
      keep_firing_for: '10m',
      summary: 'Agents name only some of the blocked containers.',
      description: 'On {{ $value }} node(s) more containers are blocked than the 100 that the agent names. The others have no alert; by node:%s. imagepull_blocked_containers counts all of them by namespace, registry and cause. On the node, imagepull-exporter status lists them.' % lib.list(
        'topk(3, max by (node) (imagepull_container_blocked_left_out{%s=%%q}) > 0)' % cluster,
        [cluster],
        'node',
        '{{ .Labels.node }} ({{ .Value }})'
      ),
      runbook: 'exporter.md',
    }),

    // Namespaces whose events are read later are not counted: it takes minutes, and their pods are read meanwhile.
    lib.alert('ImagePullExporterLeavesOut', {
      expr: |||
        count by (%s) (
          max by (%s) (%s) > 0)
      ||| % [
        lib.labels(['cluster', 'limit']),
        lib.labels(['cluster', 'node', 'limit']),
        lib.series('imagepull_left_out', 'limit!~"event_namespaces|event_budget"'),
      ],
      'for': '5m',
      keep_firing_for: '10m',
      summary: 'A limit of the agents is reached, and they may not show a failure.',
      description: 'The limit {{ $labels.limit }} of imagepull-exporter leaves something out on {{ $value }} node(s):%s. Somebody has far more pods, containers or failures on a node than Kubernetes recommends. imagepull-exporter status on the node says what is left out. The namespaces with the most pods are the place to look.' % lib.list(
        'topk(3, max by (node) (imagepull_left_out{%s=%%q,limit=%%q}) > 0)' % cluster,
        [cluster, 'limit'],
        'node',
        '{{ .Labels.node }} ({{ .Value }})'
      ),
      runbook: 'exporter.md',
    }),

    // Each node has its own runtime, so there is one alert for each node.
    lib.alert('ContainerRuntimeUnreachable', {
      expr: 'max by (%s) (%s) == 0\n' % [node, lib.series('imagepull_source_up', 'source="cri"')],
      'for': '5m',
      keep_firing_for: '5m',
      summary: 'The container runtime of a node does not answer.',
      description: 'The container runtime of node {{ $labels.node }} does not answer. It is down, or it hangs (then the kubelet reports PLEG errors too), or the DaemonSet mounts the directory of another runtime. Until it answers, pull durations and stalled pulls of this node are unknown.',
      runbook: 'exporter.md',
    }),
  ])]
