{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* Combinations that cannot work. values.schema.json refuses single values. */}}
{{- define "imagepull-exporter.checks" -}}
{{- $socket := include "imagepull-exporter.socket" . -}}
{{- if and (eq .Values.runtime.type "custom") (not $socket) -}}
{{- fail "runtime.type=custom needs runtime.socket, the path of the socket" -}}
{{- end -}}
{{- if and (ne .Values.runtime.type "custom") .Values.runtime.socket -}}
{{- fail (printf "runtime.socket needs runtime.type=custom, and it is %s" .Values.runtime.type) -}}
{{- end -}}
{{- if and $socket (has (dir $socket) (list "/" "/run" "/var/run" "/var" "/tmp")) -}}
{{- fail (printf "runtime.socket is %s: its folder would be mounted, and with it far more than the runtime; use a socket in a folder of its own, or runtime.type=none" $socket) -}}
{{- end -}}
{{- if and .Values.openshift.enabled (not (has .Values.runtime.type (list "crio" "none"))) -}}
{{- fail (printf "openshift.enabled needs runtime.type=crio (or none), and it is %s" .Values.runtime.type) -}}
{{- end -}}
{{- if and (eq .Values.runtime.type "none") .Values.runAsRoot -}}
{{- fail "runAsRoot has no use with runtime.type=none: there is no socket" -}}
{{- end -}}
{{- if and (eq .Values.runtime.type "none") .Values.selinux.type -}}
{{- fail "selinux.type has no use with runtime.type=none: there is no socket" -}}
{{- end -}}
{{- if and (eq .Values.kubernetes.source "kubelet") (not .Values.kubernetes.events) -}}
{{- fail "kubernetes.events=false has no use with kubernetes.source=kubelet: a kubelet serves no events" -}}
{{- end -}}
{{- if and (ne .Values.kubernetes.source "kubelet") .Values.kubernetes.kubelet.insecureSkipTLSVerify -}}
{{- fail "kubernetes.kubelet.insecureSkipTLSVerify needs kubernetes.source=kubelet" -}}
{{- end -}}
{{- if and (eq .Values.kubernetes.source "kubelet") .Values.apiServer.host -}}
{{- fail "apiServer.host has no use with kubernetes.source=kubelet: the agent does not use the API server" -}}
{{- end -}}
{{- if ne (empty .Values.apiServer.host) (empty .Values.apiServer.port) -}}
{{- fail "apiServer.host and apiServer.port belong together" -}}
{{- end -}}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled -}}
{{- fail "podMonitor.enabled and serviceMonitor.enabled: each agent would be scraped twice" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not .Values.service.enabled) -}}
{{- fail "serviceMonitor.enabled needs service.enabled" -}}
{{- end -}}
{{- $surge := dig "rollingUpdate" "maxSurge" 0 .Values.updateStrategy -}}
{{- if and .Values.hostNetwork.enabled (not (has (toString $surge) (list "0" "0%"))) -}}
{{- fail "updateStrategy.rollingUpdate.maxSurge must be 0 with hostNetwork.enabled: two agents of a node cannot have the same port" -}}
{{- end -}}
{{- if and .Values.webConfig.tls (not .Values.webConfig.existingSecret) -}}
{{- fail "webConfig.tls needs webConfig.existingSecret" -}}
{{- end -}}
{{- end -}}
