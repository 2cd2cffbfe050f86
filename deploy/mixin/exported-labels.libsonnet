// SPDX-License-Identifier: Apache-2.0
//
// For a Prometheus that overrides honorLabels, like the user workload monitoring of OpenShift: `namespace`, `pod` and
// `container` name the agent, and the labels of the metrics are called exported_*.
(import 'mixin.libsonnet') {
  _config+:: {
    namespaceLabel: 'exported_namespace',
    podLabel: 'exported_pod',
    containerLabel: 'exported_container',
  },
}
