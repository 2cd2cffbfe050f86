{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{- define "imagepull-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "imagepull-exporter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "imagepull-exporter.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "imagepull-exporter.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "imagepull-exporter.selector" -}}
app.kubernetes.io/name: {{ include "imagepull-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "imagepull-exporter.podLabels" -}}
{{ include "imagepull-exporter.selector" . }}
app.kubernetes.io/component: agent
app.kubernetes.io/part-of: imagepull-exporter
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "imagepull-exporter.labels" -}}
{{ include "imagepull-exporter.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "imagepull-exporter.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "imagepull-exporter.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "imagepull-exporter.image" -}}
{{- with .Values.image -}}
{{- if .registry }}{{ .registry }}/{{ end }}{{ .repository -}}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The path of the runtime's socket; empty without a runtime. */}}
{{- define "imagepull-exporter.socket" -}}
{{- $sockets := dict
  "containerd" "/run/containerd/containerd.sock"
  "crio" "/run/crio/crio.sock"
  "k3s" "/run/k3s/containerd/containerd.sock"
  "rke2" "/run/k3s/containerd/containerd.sock"
  "k0s" "/run/k0s/containerd.sock"
  "microk8s" "/var/snap/microk8s/common/run/containerd.sock"
  "custom" .Values.runtime.socket
  "none" "" -}}
{{- get $sockets .Values.runtime.type -}}
{{- end -}}

{{- define "imagepull-exporter.seLinuxType" -}}
{{- default (ternary "spc_t" "" (and .Values.openshift.enabled (ne .Values.runtime.type "none"))) .Values.selinux.type -}}
{{- end -}}

{{/* Two agents of a node at a time: not with one port of the node for both, and not if both have the same series. */}}
{{- define "imagepull-exporter.minReadySeconds" -}}
{{- if kindIs "invalid" .Values.minReadySeconds -}}
{{- if or .Values.podMonitor.enabled .Values.serviceMonitor.enabled .Values.hostNetwork.enabled }}0{{ else }}70{{ end -}}
{{- else -}}
{{- .Values.minReadySeconds -}}
{{- end -}}
{{- end -}}

{{- define "imagepull-exporter.scheme" -}}
{{- ternary "HTTPS" "HTTP" .Values.webConfig.tls -}}
{{- end -}}

{{/* What both monitors have in common. */}}
{{- define "imagepull-exporter.endpoint" -}}
{{- $monitor := .monitor -}}
- port: metrics
  {{- if .root.Values.webConfig.tls }}
  scheme: https
  {{- end }}
  {{- with $monitor.tlsConfig }}
  tlsConfig: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $monitor.basicAuth }}
  basicAuth: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $monitor.interval }}
  interval: {{ . }}
  {{- end }}
  {{- with $monitor.scrapeTimeout }}
  scrapeTimeout: {{ . }}
  {{- end }}
  {{- if $monitor.honorLabels }}
  # The labels namespace, pod and container in the metrics name the blocked container.
  honorLabels: true
  {{- end }}
  relabelings:
  # While an agent is updated, its node has two. The new one is scraped from the time when it is ready.
  - sourceLabels: [__meta_kubernetes_pod_ready]
    action: keep
    regex: "true"
  # The alerts need this label.
  - sourceLabels: [__meta_kubernetes_pod_node_name]
    targetLabel: node
  # The series of a node stay the same when its agent is updated.
  - sourceLabels: [__meta_kubernetes_pod_node_name]
    targetLabel: instance
  {{- if $monitor.honorLabels }}
  # The agent's own labels would look like a blocked container.
  - action: labeldrop
    regex: pod|container|endpoint|service
  {{- else }}
  # This Prometheus renames the labels of the metrics to exported_*. Fixed values: an update makes no new series.
  - targetLabel: pod
    replacement: {{ include "imagepull-exporter.name" .root }}
  - targetLabel: container
    replacement: {{ include "imagepull-exporter.name" .root }}
  - action: labeldrop
    regex: endpoint|service
  {{- end }}
  {{- with $monitor.relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with $monitor.metricRelabelings }}
  metricRelabelings: {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
