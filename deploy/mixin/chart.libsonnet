// SPDX-License-Identifier: Apache-2.0
//
// For the Helm chart: a mark such as @blockedSeconds@ stands for each setting that the chart has. The chart sets severities
// and leaves out alerts by itself.
(import 'mixin.libsonnet') {
  _config+:: {
    [name]: '@%s@' % name
    for name in [
      'clusterLabel',
      'namespaceLabel',
      'podLabel',
      'containerLabel',
      'job',
      'agentNamespace',
      'daemonset',
      'selector',
      'namespaceSelector',
      'nodes',
      'nodesOfCluster',
      'blockedSeconds',
      'shortLivedFailures',
      'longPullSeconds',
      'pageNodes',
      'pageFor',
      'pageNamespaces',
      'unclassifiedShare',
    ]
  } + { runbookBase: '@runbookBase@/' },
}
