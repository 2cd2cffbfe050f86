// SPDX-License-Identifier: Apache-2.0
//
// Alerts on containers that cannot start because of an image: one for each namespace, registry and cause, so that each
// goes to the owner of the namespace. Nodes are named in the description: a registry that 200 nodes cannot reach is one
// alert for each namespace. Only a fault of the node itself has one alert for each node.
//
// The age of a failure comes from imagepull_container_blocked_since_timestamp_seconds, not from `for`. It does not
// change when the cause changes, when ErrImagePull becomes ImagePullBackOff, or when Prometheus or an agent that reads
// events restarts. `for` only makes sure that a single scrape does not fire an alert.
//
// `keep_firing_for` must be longer than two things that look like a repair but are not:
//   - the longest back-off of the kubelet (5 minutes, plus the attempt), when each attempt fails in another way;
//   - the restart of an agent that cannot read events: it counts the age from its own start.
function(config)
  local lib = (import '../lib.libsonnet')(config);
  local age = 'container:imagepull_blocked:age_seconds';
  local one = lib.labels(['cluster', 'node', 'namespace', 'pod', 'container', 'image']);
  local info = 'imagepull_container_blocked_info';
  local since = 'imagepull_container_blocked_since_timestamp_seconds';
  local pod = '{{ .Labels.%s }}' % config.podLabel;
  local namespace = '{{ $labels.%s }}' % config.namespaceLabel;

  // `more` is "containers", what they cannot do, and what to do about it.
  local blocked(name, matchers, by, summary, what, item, fix, runbook, minAge=' > ' + lib.number(config.blockedSeconds)) =
    local all = std.join(',', std.filter(function(each) each != '', [matchers, config.namespaceSelector]));
    local keys = [key for key in by if key != 'cause'];
    local selected = std.join(',', [all] + ['%s=%%q' % lib.labels([key]) for key in keys]);
    lib.alert(name, {
      expr: 'count by (%s) (\n  %s{%s}%s)\n' % [lib.labels(by), age, all, minAge],
      'for': '1m',
      keep_firing_for: '10m',
      summary: summary,
      description: '{{ $value }} container(s) of namespace %s %s. The newest:%s. %s' % [
        namespace,
        what,
        lib.list('bottomk(3, %s{%s}%s)' % [age, selected, minAge],
                 [lib.labels([key]) for key in keys],
                 config.podLabel,
                 item),
        fix,
      ],
      runbook: runbook,
    });

  local byRegistry = ['cluster', 'namespace', 'registry', 'cause'];
  local byNode = ['cluster', 'namespace', 'node', 'cause'];
  local onNode = pod + ' on {{ .Labels.node }}';
  local withReason = pod + ' ({{ .Labels.reason }})';
  local withNodeAndReason = pod + ' on {{ .Labels.node }} ({{ .Labels.reason }})';

  [lib.group('imagepull-containers', [
    // Each agent names 100 containers: the oldest of each namespace. ImagePullExporterCapped covers the others.
    {
      record: age,
      expr: |||
        max by (%(one)s, registry, cause, reason) (
          %(info)s)
          * on (%(one)s) group_left ()
        (time() - min by (%(one)s) (
          %(since)s))
      ||| % { one: one, info: lib.series(info), since: lib.series(since) },
    },

    blocked(
      'ImagePullUnauthorized',
      'cause="unauthorized",reason!="pull_secret_missing"',
      byRegistry,
      'Containers cannot authenticate to their registry, or have no permission there.',
      'cannot authenticate to {{ $labels.registry }} or have no permission there',
      withReason,
      "Check that the pod names a pull Secret for this registry (imagePullSecrets), and that the user name, password or token in it still work. The permissions of the pod's ServiceAccount do not matter for a pull.",
      'unauthorized.md',
    ),

    blocked(
      'ImagePullSecretMissing',
      'cause="unauthorized",reason="pull_secret_missing"',
      byRegistry,
      'Containers name a pull Secret that does not exist.',
      'name a pull Secret for {{ $labels.registry }} that does not exist',
      pod,
      'Create the Secret in the namespace of the pod. The kubelet uses it at its next attempt, within 5 minutes. Or correct the name in imagePullSecrets of the workload or of its ServiceAccount; only new pods get that change.',
      'unauthorized.md',
    ),

    blocked(
      'ImageNotFound',
      'cause="not_found"',
      byRegistry,
      'The registry does not have the image of containers.',
      'need an image that {{ $labels.registry }} does not have',
      pod + ' ({{ .Labels.image }})',
      'Check the repository and the tag for a typing error. Check that the build pushed the image, and that no clean-up in the registry removed it.',
      'not_found.md',
    ),

    blocked(
      'ImagePullNetwork',
      'cause="network",reason!~"pull_stalled|pull_cancelled"',
      byRegistry,
      'Nodes cannot reach the registry of containers.',
      'cannot start, because their nodes do not reach {{ $labels.registry }}',
      withNodeAndReason,
      'The reason names the step that failed (DNS, connection, TLS, proxy, response). Check the host name in the image. Send the same request from the node, outside any pod, and compare with a node where it works.',
      'network.md',
    ),

    blocked(
      'ImagePullRateLimited',
      'cause="rate_limited"',
      byRegistry,
      'The registry limits the number of pulls.',
      'wait, because {{ $labels.registry }} limits the number of pulls',
      pod,
      'Pull with an account instead of anonymously, use a pull-through cache, and find workloads that pull again and again (imagePullPolicy Always in a crash loop).',
      'rate_limited.md',
    ),

    blocked(
      'ImageRegistryError',
      'cause="registry_error"',
      byRegistry,
      'The registry answers with an error on its side.',
      'wait, because {{ $labels.registry }} answers with an error on its side',
      withReason,
      'The error comes from the registry, not from the nodes. Check the status page, the log and the storage of the registry, or contact its operators.',
      'registry_error.md',
    ),

    blocked(
      'ImagePullNodeDisk',
      'cause="node",reason="disk_full"',
      byNode,
      'A node has no disk space for images.',
      'wait, because node {{ $labels.node }} has no disk space for images',
      pod,
      "Free or enlarge the file system that holds the runtime's images on this node. It is usually full of logs, emptyDir volumes, or images that are in use and that the kubelet therefore does not remove.",
      'node.md',
    ),

    // All other reasons of the cause `node`.
    blocked(
      'ImagePullNodeFault',
      'cause="node",reason!="disk_full"',
      byNode,
      'Pulls fail on a node because of a local error.',
      'wait, because pulls fail on node {{ $labels.node }} with a local error',
      withReason,
      'The registry is not the problem. Read the log of the container runtime on the node. If other nodes can pull the same image, cordon this node.',
      'node.md',
    ),

    blocked(
      'ImageUnusable',
      'cause="bad_image"',
      byRegistry,
      'The registry has the image, but the node cannot use it.',
      'have an image from {{ $labels.registry }} that their node cannot use',
      withReason,
      'Build and push the image for the platform of the node, or push it again if its content is damaged. A nodeSelector on kubernetes.io/arch keeps the pods away from nodes of another platform.',
      'bad_image.md',
    ),

    blocked(
      'ImagePullMisconfigured',
      'cause="config"',
      byRegistry,
      'The configuration of the pod or of the node prevents the pull.',
      'cannot pull from {{ $labels.registry }}, because the configuration of the pod or of the node prevents it',
      withReason,
      'Correct the image name or the pull policy in the workload, or the registry and signature policy of the node. Waiting does not help.',
      'config.md',
    ),

    // No rule matched, or the kubelet did not report a cause. The container is blocked in both cases.
    blocked(
      'ImagePullUnclassified',
      'cause="unknown"',
      byRegistry,
      'Pulls fail, and the cause is not known.',
      'cannot pull from {{ $labels.registry }}, and the cause is not known',
      withReason,
      'Read the message with kubectl describe pod. The reason unclassified means that no rule matched; please report the message. The reason back_off_only usually means a kubelet before 1.32 and an agent that cannot read events.',
      'unknown.md',
    ),

    // Kubernetes reports no error, no event and no log line. Only the agent sees that no bytes arrive. It has already
    // waited for --stall-after, so this alert needs no minimum age.
    blocked(
      'ImagePullStalled',
      'cause="network",reason="pull_stalled"',
      byRegistry,
      'A pull makes no progress.',
      'wait for a pull from {{ $labels.registry }} that makes no progress',
      onNode,
      'The registry stopped sending, but the connection is still open and the runtime keeps waiting. Every other image with the same layer waits too; with containerd 2.1 and later, three such layers stop every pull of the node, also from healthy registries. On the node, imagepull-exporter status lists the containers that wait, and /debug/failures names the layer. Deleting the pod does not always end the pull; restarting the runtime does.',
      'stalled.md',
      minAge='',
    ),

    // The registry is reached, so this is no ImagePullNetwork. A single restart of the runtime is over by then.
    blocked(
      'ImagePullCancelled',
      'cause="network",reason="pull_cancelled"',
      byRegistry,
      'Nodes give up pulls before they end.',
      'wait, because their nodes give up pulls from {{ $labels.registry }} before they end',
      onNode,
      'The runtime or the kubelet cancels the pull, and not the registry: it restarts again and again, or the download is slower than a time limit of the runtime allows. Read the log of both on the node. For slow downloads, compare with other nodes, and use a mirror near the nodes.',
      'network.md',
    ),

    // Pods of a CronJob or a crash loop of a controller: each is replaced before it is blocked long enough for the
    // alerts above, or even before it is scraped. So this counts failures; and containers in the namespaces for which an
    // agent has no counter, because it has one for 16. One failure, or one rollout, is over after 15 minutes, and `for`
    // is longer.
    lib.alert('ImagePullKeepsFailing', {
      expr: |||
        (
          sum by (%(by)s) (
            max by (%(byNode)s) (
              increase(%(failures)s[15m]))
          ) >= %(least)s
            or
          count by (%(by)s) (
            max by (%(one)s, registry, cause) (
              max_over_time(%(info)s[15m]))
          ) >= %(least)s
        )
          unless on (%(by)s)
        %(age)s > %(seconds)s
      ||| % {
        by: lib.labels(byRegistry),
        byNode: lib.labels(byRegistry + ['node']),
        one: one,
        info: lib.series(info, config.namespaceSelector),
        failures: lib.series('imagepull_namespace_failures_total', std.join(',', std.filter(
          function(each) each != '', ['%s!="_other"' % config.namespaceLabel, config.namespaceSelector]
        ))),
        age: age,
        seconds: lib.number(config.blockedSeconds),
        least: lib.number(config.shortLivedFailures),
      },
      'for': '30m',
      keep_firing_for: '10m',
      summary: 'One short-lived pod after the other cannot pull its image.',
      description: 'Containers of namespace %s failed to pull from {{ $labels.registry }} {{ $value | printf "%%.0f" }} times or more in the last 15 minutes (cause {{ $labels.cause }}), and each was gone or replaced within minutes. Usually a CronJob whose pods are replaced before they start. Look at the image of its template, and at the runbook of the cause. The newest pods that Prometheus has seen:%s.' % [
        namespace,
        lib.list(
          'topk(3, max by (%s) (max_over_time(%s{%s}[15m]) and on (%s) max_over_time(%s{%s}[15m])))' % [
            lib.labels(['pod', 'image']),
            since,
            std.join(',', ['%s=%%q' % lib.labels([key]) for key in ['cluster', 'namespace']]),
            one,
            info,
            std.join(',', ['%s=%%q' % lib.labels([key]) for key in byRegistry]),
          ],
          [lib.labels([key]) for key in ['cluster', 'namespace'] + byRegistry],
          config.podLabel,
          pod + ' ({{ .Labels.image }})'
        ),
      ],
      runbook: 'not_found.md',
    }),

    // containerd reports the bytes of a pull, and the agent reports a pull whose bytes stand still (ImagePullStalled).
    // What is only long there is a large image, and no alert. Other runtimes do not report bytes.
    lib.alert('ImagePullInProgressForLong', {
      expr: |||
        time() - min by (%(by)s) (
          %(oldest)s
            and on (%(node)s) %(runtime)s)
          > %(seconds)s
      ||| % {
        by: lib.labels(['cluster', 'registry']),
        node: lib.labels(['cluster', 'node']),
        oldest: lib.series('imagepull_in_progress_oldest_timestamp_seconds'),
        runtime: lib.series('imagepull_runtime_info', 'runtime!="containerd"'),
        seconds: lib.number(config.longPullSeconds),
      },
      'for': '1m',
      keep_firing_for: '10m',
      summary: 'A pull has been running for very long.',
      description: 'The oldest pull from {{ $labels.registry }} has been running for {{ $value | humanizeDuration }}. The image may be large or the connection slow. Or the pull is stalled: the runtime of this node does not report bytes. On the node, imagepull-exporter status shows the container and the image. The nodes:%s.' % lib.list(
        'bottomk(3, %s)' % lib.series('imagepull_in_progress_oldest_timestamp_seconds',
                                      '%s=%%q,registry=%%q' % config.clusterLabel),
        [config.clusterLabel, 'registry'],
        'node',
        '{{ .Labels.node }}'
      ),
      runbook: 'stalled.md',
    }),
  ])]
