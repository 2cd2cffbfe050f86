// SPDX-License-Identifier: Apache-2.0
//
// Parts that all groups use.
function(config) {
  local lib = self,

  // A selector of a metric of the agents, with its braces.
  series(name, matchers='')::
    local all = std.filter(function(each) each != '', [matchers, config.selector]);
    if all == [] then name else '%s{%s}' % [name, std.join(',', all)],

  // Labels for `by` and `on`. `namespace`, `pod` and `container` get the names that they have in this Prometheus.
  labels(names)::
    local renamed = {
      cluster: config.clusterLabel,
      namespace: config.namespaceLabel,
      pod: config.podLabel,
      container: config.containerLabel,
    };
    std.join(', ', [if std.objectHas(renamed, name) then renamed[name] else name for name in names]),

  // A number in an expression. The Helm chart has marks instead of the settings, and puts its values there.
  number(value)::
    if std.isString(value) then value
    else if value == std.floor(value) then '%d' % value
    else '%g' % value,

  name(alert):: if std.objectHas(config.names, alert) then config.names[alert] else alert,

  alert(alert, rule):: {
    alert: lib.name(alert),
    expr: rule.expr,
    'for': rule['for'],
    keep_firing_for: rule.keep_firing_for,
    labels: { severity: if std.objectHas(config.severity, alert) then config.severity[alert] else 'warning' } +
            (if std.objectHas(rule, 'labels') then rule.labels else {}),
    annotations: {
      summary: rule.summary,
      description: rule.description,
      runbook_url: config.runbookBase + rule.runbook,
    },
  },

  group(name, rules, interval=null):: {
    name: name,
    [if interval != null then 'interval']: interval,
    rules: [
      rule
      for rule in rules
      if !(std.objectHas(rule, 'alert') && std.member([lib.name(each) for each in config.without], rule.alert))
    ],
  },

  // A template: the first of `labels` of each result of a query. `query` is a printf format whose %q are `values`.
  list(query, values, label, item)::
    local quoted = std.strReplace(std.strReplace(query, '\\', '\\\\'), '"', '\\"');
    '{{ range printf "%s" %s | query | sortByLabel "%s" }} %s{{ end }}' % [
      quoted,
      std.join(' ', ['$labels.' + value for value in values]),
      label,
      item,
    ],
}
