// SPDX-License-Identifier: Apache-2.0
//
// Registries, seen from the whole cluster: recording rules for the failure rate, the duration of pulls and the rate of
// refused credentials, and the one alert that pages.
function(config)
  local lib = (import '../lib.libsonnet')(config);
  local registry = lib.labels(['cluster', 'registry']);
  local node = lib.labels(['cluster', 'node', 'registry']);
  // `other` stands for several registries. The series of a blocked container have the true name of such a registry, but
  // nothing tells whether it ever served an image, so it does not page; the alerts of the namespaces name it.
  local oneRegistry = 'registry!~"other|invalid|unknown"';
  local pulls = lib.series('imagepull_duration_seconds_count', oneRegistry);
  // A pull that stalls or that the node gave up has reached its registry.
  local registrySide = 'cause=~"network|registry_error|rate_limited|unauthorized",' +
                       'reason!~"pull_stalled|pull_cancelled|pull_secret_missing",' + oneRegistry;

  // In the last hour, from the recorded rates: the failures themselves are 45 series on each node.
  local anHour(matchers) = 'sum by (%s) (sum_over_time(registry_cause:imagepull_failures:rate5m%s[1h:1m])) * 60' %
                           [config.clusterLabel, matchers];

  [lib.group('imagepull-rates', [
    // These read hundreds of thousands of series of a large cluster, and nothing that they show changes within seconds.
    {
      record: 'registry_cause:imagepull_failures:rate5m',
      expr: 'sum by (%s) (rate(%s[5m]))' % [
        lib.labels(['cluster', 'registry', 'cause']),
        lib.series('imagepull_failures_total'),
      ],
    },
    {
      record: 'registry:imagepull_attempts:rate5m',
      expr: 'sum by (%s) (rate(%s[5m]))' % [registry, lib.series('imagepull_attempts_total')],
    },
    {
      record: 'registry_le:imagepull_duration_seconds_bucket:rate5m',
      expr: 'sum by (%s) (rate(%s[5m]))' % [
        lib.labels(['cluster', 'registry', 'le']),
        lib.series('imagepull_duration_seconds_bucket'),
      ],
    },
    {
      record: 'registry:imagepull_unauthorized_failures:rate5m',
      expr: 'sum by (%s) (registry_cause:imagepull_failures:rate5m{cause="unauthorized"})' % registry,
    },
    // Over an hour, because pulls are rare: a quantile of three pulls means nothing.
    {
      record: 'registry:imagepull_duration_seconds:p95_1h',
      expr: 'histogram_quantile(0.95, sum by (%s) (avg_over_time(registry_le:imagepull_duration_seconds_bucket:rate5m[1h])))' %
            lib.labels(['cluster', 'registry', 'le']),
    },
  ], interval='2m'), lib.group('imagepull-registries', [
    {
      record: 'registry:imagepull_good_pulls:increase3m',
      expr: 'sum by (%s) (increase(%s[3m]))' % [registry, pulls],
    },
    // When the cluster last saw a good pull from the registry. Up to 3 minutes too late, because of the window above.
    // A failure that is older than a day has paged already.
    {
      record: 'registry:imagepull_last_good_pull:timestamp_seconds',
      expr: |||
        max_over_time((
          (registry:imagepull_good_pulls:increase3m > 0) * 0 + time()
        )[1d:1m])
          or registry:imagepull_good_pulls:increase3m * 0 + time() - 86400
      |||,
    },
    // Failures that the registry or the way to it can cause, and that no good pull has followed. So old failures do not
    // count, and neither do containers that only wait for the end of their back-off while the registry answers again.
    // The 4 minutes are the 3 of the window, and one for the scrape.
    {
      record: 'container:imagepull_cut_off:age_seconds',
      expr: |||
        container:imagepull_blocked:age_seconds{%s}
          < on (%s) group_left ()
        (time() - registry:imagepull_last_good_pull:timestamp_seconds + 240)
      ||| % [registrySide, registry],
    },
    // Nodes that are cut off. A node counts only if it has pulled from this registry before: the way out of a new node
    // may not be ready yet. The counters of an agent start at 0 after an update, so yesterday's count, too.
    // Refused credentials of one team are a wrong Secret. Those of several teams at once are the registry.
    {
      record: 'registry:imagepull_nodes_cut_off:count',
      expr: |||
        count by (%(registry)s) (
          count by (%(node)s) (
            container:imagepull_cut_off:age_seconds{cause!="unauthorized"}
              or
            container:imagepull_cut_off:age_seconds{cause="unauthorized"}
              and on (%(registry)s)
            count by (%(registry)s) (count by (%(byNamespace)s) (
              container:imagepull_cut_off:age_seconds{cause="unauthorized"})) >= %(namespaces)s
          )
          and
          sum by (%(node)s) (%(pulls)s > 0 or %(pulls)s offset 1d > 0)
        )
      ||| % {
        registry: registry,
        node: node,
        byNamespace: lib.labels(['cluster', 'registry', 'namespace']),
        namespaces: lib.number(config.pageNamespaces),
        pulls: pulls,
      },
    },

    // The platform is struck: at least three nodes that have pulled from this registry before, and nobody has pulled
    // from it since the failures began.
    lib.alert('ImageRegistryUnreachable', {
      expr: 'registry:imagepull_nodes_cut_off:count >= %s\n' % lib.number(config.pageNodes),
      'for': config.pageFor,
      // Longer than the back-off and the `keep_firing_for` of the alerts that it inhibits, so that it inhibits them to
      // the end.
      keep_firing_for: '15m',
      summary: 'No node can pull from a registry that served them before.',
      description: '{{ $value }} node(s) that pulled from {{ $labels.registry }} before cannot now, and nobody has since. The reasons, and how many containers they block:%s. Running pods continue. Pods that need a new image do not start. Check the status of the registry first, then its DNS name and certificate, rate limits, the credentials of the cluster, proxy and firewall.' % lib.list(
        'count by (reason) (container:imagepull_cut_off:age_seconds{%s=%%q,registry=%%q})' % config.clusterLabel,
        [config.clusterLabel, 'registry'],
        'reason',
        '{{ .Labels.reason }} ({{ .Value }})'
      ),
      runbook: 'network.md',
    }),

    // Measures the classifier with the messages of this cluster. ImagePullUnclassified covers the containers themselves.
    lib.alert('ImagePullUnclassifiedShare', {
      expr: |||
        (
          %(unknown)s
          / (%(all)s)
          > %(share)s
        )
        and %(unknown)s >= 5
      ||| % { unknown: anHour('{cause="unknown"}'), all: anHour(''), share: lib.number(config.unclassifiedShare) },
      'for': '15m',
      keep_firing_for: '15m',
      labels: { cause: 'unknown' },
      summary: 'Many failed pulls have no known cause.',
      description: '{{ $value | humanizePercentage }} of the failed pulls in the last hour have no known cause. Read the messages at /debug/failures on the nodes. If the reason is unclassified, no rule matched; please report the message. If it is back_off_only, the kubelet is older than 1.32 and the agent does not read events (--kube.events=off, or no permission).',
      runbook: 'unknown.md',
    }),
  ])]
