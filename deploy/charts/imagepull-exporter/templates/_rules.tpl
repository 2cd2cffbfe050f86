{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{/* The marks in files/rules and what stands there; deploy/mixin/chart.libsonnet makes the marks. */}}
{{- define "imagepull-exporter.settings" -}}
{{- $rules := .Values.prometheusRule -}}
{{- $own := and (or .Values.podMonitor.enabled .Values.serviceMonitor.enabled)
    (not (ternary .Values.podMonitor.honorLabels .Values.serviceMonitor.honorLabels .Values.podMonitor.enabled)) -}}
{{- $prefix := ternary "exported_" "" $own -}}
{{- dict
  "agentNamespace" .Release.Namespace
  "blockedSeconds" ($rules.thresholds.blockedSeconds | int64 | toString)
  "clusterLabel" $rules.clusterLabel
  "containerLabel" (print $prefix "container")
  "daemonset" (include "imagepull-exporter.fullname" .)
  "job" (include "imagepull-exporter.name" .)
  "longPullSeconds" ($rules.thresholds.longPullSeconds | int64 | toString)
  "namespaceLabel" (print $prefix "namespace")
  "namespaceSelector" $rules.namespaceSelector
  "nodes" $rules.nodes
  "nodesOfCluster" (replace "}" (printf ",%s=%%q}" $rules.clusterLabel) $rules.nodes)
  "pageFor" $rules.thresholds.pageFor
  "pageNamespaces" ($rules.thresholds.pageNamespaces | int64 | toString)
  "pageNodes" ($rules.thresholds.pageNodes | int64 | toString)
  "podLabel" (print $prefix "pod")
  "runbookBase" (trimSuffix "/" $rules.runbookUrl)
  "selector" $rules.selector
  "shortLivedFailures" ($rules.thresholds.shortLivedFailures | int64 | toString)
  "unclassifiedShare" ($rules.thresholds.unclassifiedShare | toString)
  | toJson -}}
{{- end -}}

{{/* Puts the settings in the place of their marks. `quoted`: the text has queries in quotation marks. */}}
{{- define "imagepull-exporter.fill" -}}
{{- $text := .text -}}
{{- $quoted := .quoted -}}
{{- range $name, $value := .settings -}}
{{- $mark := printf "@%s@" $name -}}
{{- if eq $value "" -}}
{{- $text = $text | replace (print "," $mark) "" | replace (print $mark ",") "" | replace (printf "{%s}" $mark) "" -}}
{{- end -}}
{{- $text = replace $mark (ternary ($value | replace "\\" "\\\\" | replace "\"" "\\\"") $value $quoted) $text -}}
{{- end -}}
{{- $text -}}
{{- end -}}
