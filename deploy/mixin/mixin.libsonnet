// SPDX-License-Identifier: Apache-2.0
//
// The rules as a monitoring mixin: jsonnet -S -e 'std.manifestYamlDoc((import "mixin.libsonnet").prometheusAlerts)'
(import 'config.libsonnet') {
  local config = self._config,
  // By the name of the file in deploy/alerts.
  ruleGroups:: {
    containers: (import 'rules/containers.libsonnet')(config),
    exporter: (import 'rules/exporter.libsonnet')(config),
    registries: (import 'rules/registries.libsonnet')(config),
  },
  prometheusAlerts+:: {
    groups+: std.flattenArrays([$.ruleGroups[name] for name in std.objectFields($.ruleGroups)]),
  },
  grafanaDashboards+:: {
    'imagepull.json': import '../dashboard/imagepull.json',
  },
}
