# SPDX-License-Identifier: Apache-2.0
"""
A small check of Kubernetes objects, written by hand from the API reference. For the kinds that deploy/ uses it knows
the fields, their types, and which are required. It finds a misspelt or misplaced field. It does not know what a value
means to the API server. An unknown kind or field is an error: add it here.
"""

import re


class Wrong(Exception):
    """The text names the field and what is wrong with it."""


class Kind:
    """One scalar: the allowed types and, if it matters, a pattern for its text."""

    def __init__(self, what, types, pattern=None):
        self.what, self.types, self.pattern = what, types, pattern and re.compile(pattern)

    def check(self, value, at):
        if not isinstance(value, self.types) or (isinstance(value, bool) and bool not in self.types):
            raise Wrong(f"{at}: {value!r} is not a {self.what}")
        if self.pattern and isinstance(value, str) and not self.pattern.fullmatch(value):
            raise Wrong(f"{at}: {value!r} is not a {self.what}")


class OneOf:
    def __init__(self, *values):
        self.values = values

    def check(self, value, at):
        if value not in self.values:
            raise Wrong(f"{at}: {value!r} is not one of {', '.join(self.values)}")


class Map:
    """Any names, such as labels, with values of one type."""

    def __init__(self, value):
        self.value = value

    def check(self, value, at):
        if not isinstance(value, dict):
            raise Wrong(f"{at}: {value!r} is not a map")
        for key, each in value.items():
            self.value.check(each, f"{at}.{key}")


class List:
    def __init__(self, item):
        self.item = item

    def check(self, value, at):
        if not isinstance(value, list):
            raise Wrong(f"{at}: {value!r} is not a list")
        for n, each in enumerate(value):
            self.item.check(each, f"{at}[{n}]")


class Fields:
    """An object. A field whose name ends with an underscore is required."""

    def __init__(self, **fields):
        self.fields = {name.rstrip("_"): kind for name, kind in fields.items()}
        self.needed = {name.rstrip("_") for name in fields if name.endswith("_")}

    def check(self, value, at):
        if not isinstance(value, dict):
            raise Wrong(f"{at}: {value!r} is not an object")
        for name in value.keys() - self.fields.keys():
            raise Wrong(f"{at}: unknown field '{name}'")
        for name in self.needed - value.keys():
            raise Wrong(f"{at}: required field '{name}' is missing")
        for name, each in value.items():
            self.fields[name].check(each, f"{at}.{name}")


TEXT = Kind("text", (str,))
NAME = Kind("DNS label", (str,), r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL = Kind("value of a label", (str,), r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
NUMBER = Kind("number", (int,))
PORT = Kind("port or its name", (int, str), r"[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
FLAG = Kind("boolean", (bool,))
QUANTITY = Kind("quantity", (str, int), r"\d+(\.\d+)?(m|k|M|G|Ki|Mi|Gi)?")
SHARE = Kind("number or percentage", (str, int), r"\d+%")
DURATION = Kind("duration", (str,), r"(\d+(ms|s|m|h|d|w|y))+")
PATH = Kind("absolute path", (str,), r"/\S*")
LABELS = Map(LABEL)
METADATA = Fields(name_=NAME, namespace=NAME, labels=LABELS, annotations=Map(TEXT))
SELECTOR = Fields(matchLabels=LABELS)
PROTOCOL = OneOf("TCP", "UDP", "SCTP")


def top(api_version, namespaced=True, **fields):
    metadata = Fields(name_=NAME, namespace_=NAME, labels=LABELS, annotations=Map(TEXT)) if namespaced else \
        Fields(name_=NAME, labels=LABELS, annotations=Map(TEXT))
    return Fields(apiVersion_=OneOf(api_version), kind_=TEXT, metadata_=metadata, **fields)


SE_LINUX = Fields(type=TEXT, level=TEXT, role=TEXT, user=TEXT)
SECCOMP = Fields(type_=OneOf("RuntimeDefault", "Localhost", "Unconfined"), localhostProfile=TEXT)
SECRET = Fields(secretName_=TEXT, defaultMode=NUMBER)
PROBE = Fields(httpGet_=Fields(path=PATH, port_=PORT, scheme=OneOf("HTTP", "HTTPS")), periodSeconds=NUMBER,
               timeoutSeconds=NUMBER, initialDelaySeconds=NUMBER, failureThreshold=NUMBER, successThreshold=NUMBER)
RESOURCES = Fields(requests=Fields(cpu=QUANTITY, memory=QUANTITY), limits=Fields(cpu=QUANTITY, memory=QUANTITY))
ENVIRONMENT = Fields(name_=TEXT, value=TEXT, valueFrom=Fields(fieldRef_=Fields(fieldPath_=OneOf(
    "spec.nodeName", "status.hostIP", "status.podIP", "metadata.name", "metadata.namespace"), apiVersion=TEXT)))
CONTAINER = Fields(
    name_=NAME, image_=TEXT, args=List(TEXT), command=List(TEXT), env=List(ENVIRONMENT), resources=RESOURCES,
    ports=List(Fields(name=PORT, containerPort_=NUMBER, protocol=PROTOCOL)), livenessProbe=PROBE, readinessProbe=PROBE,
    imagePullPolicy=OneOf("Always", "IfNotPresent", "Never"),
    securityContext=Fields(allowPrivilegeEscalation=FLAG, readOnlyRootFilesystem=FLAG, privileged=FLAG,
                           runAsUser=NUMBER, seccompProfile=SECCOMP,
                           capabilities=Fields(drop=List(TEXT), add=List(TEXT))),
    volumeMounts=List(Fields(name_=NAME, mountPath_=PATH, readOnly=FLAG)))
HOST_PATH = Fields(path_=PATH, type=OneOf("", "Directory", "DirectoryOrCreate", "File", "Socket"))
POD = Fields(
    serviceAccountName=NAME, automountServiceAccountToken=FLAG, enableServiceLinks=FLAG, nodeSelector=LABELS,
    tolerations=List(Fields(key=TEXT, operator=OneOf("Exists", "Equal"), value=TEXT, effect=TEXT)),
    priorityClassName=TEXT, terminationGracePeriodSeconds=NUMBER, containers_=List(CONTAINER), hostNetwork=FLAG,
    hostPID=FLAG, dnsPolicy=OneOf("Default", "ClusterFirst"), restartPolicy=OneOf("Always", "Never"),
    imagePullSecrets=List(Fields(name_=NAME)),
    securityContext=Fields(runAsNonRoot=FLAG, runAsUser=NUMBER, runAsGroup=NUMBER, seccompProfile=SECCOMP,
                           seLinuxOptions=SE_LINUX),
    volumes=List(Fields(name_=NAME, hostPath=HOST_PATH, emptyDir=Fields(sizeLimit=QUANTITY), secret=SECRET)))
STRATEGY = Fields(type=OneOf("RollingUpdate", "OnDelete"), rollingUpdate=Fields(maxUnavailable=SHARE, maxSurge=SHARE))
RULE = Fields(apiGroups_=List(TEXT), resources_=List(TEXT), verbs_=List(OneOf("get", "list", "watch")))
POLICY_PORTS = List(Fields(port=PORT, protocol=PROTOCOL, endPort=NUMBER))
POLICY = Fields(podSelector_=SELECTOR, policyTypes=List(OneOf("Ingress", "Egress")),
                ingress=List(Fields(ports=POLICY_PORTS, **{"from": List(Fields(
                    namespaceSelector=SELECTOR, podSelector=SELECTOR))})), egress=List(Fields(ports=POLICY_PORTS)))
RELABELING = Fields(sourceLabels=List(TEXT), targetLabel=TEXT, regex=TEXT, action=TEXT, replacement=TEXT,
                    separator=TEXT)
ENDPOINT = List(Fields(port=PORT, path=PATH, interval=DURATION, scrapeTimeout=DURATION, honorLabels=FLAG,
                       scheme=OneOf("http", "https"), tlsConfig=Fields(insecureSkipVerify=FLAG, serverName=TEXT),
                       relabelings=List(RELABELING), metricRelabelings=List(RELABELING)))
NAMESPACES = Fields(matchNames=List(NAME))
ALERT_RULE = Fields(alert=TEXT, record=TEXT, expr_=TEXT, labels=Map(TEXT), annotations=Map(TEXT), **{
    "for": DURATION, "keep_firing_for": DURATION})
STRATEGY_OF_SCC = Fields(type_=OneOf("RunAsAny", "MustRunAs"), uid=NUMBER, seLinuxOptions=SE_LINUX)

KINDS = {
    "Namespace": top("v1", namespaced=False),
    "ServiceAccount": top("v1", automountServiceAccountToken=FLAG),
    "ClusterRole": top("rbac.authorization.k8s.io/v1", namespaced=False, rules_=List(RULE)),
    "ClusterRoleBinding": top(
        "rbac.authorization.k8s.io/v1", namespaced=False,
        roleRef_=Fields(apiGroup_=TEXT, kind_=OneOf("ClusterRole"), name_=NAME),
        subjects=List(Fields(kind_=OneOf("ServiceAccount"), name_=NAME, namespace_=NAME))),
    "DaemonSet": top("apps/v1", spec_=Fields(
        selector_=SELECTOR, updateStrategy=STRATEGY, minReadySeconds=NUMBER,
        template_=Fields(metadata_=Fields(labels_=LABELS, annotations=Map(TEXT)), spec_=POD))),
    "Service": top("v1", spec_=Fields(
        clusterIP=TEXT, selector=LABELS,
        ports=List(Fields(name=NAME, port_=NUMBER, targetPort=PORT, protocol=PROTOCOL)))),
    "ConfigMap": top("v1", data=Map(TEXT)),
    "ResourceQuota": top("v1", spec_=Fields(
        hard_=Fields(pods=QUANTITY), scopeSelector=Fields(matchExpressions_=List(Fields(
            scopeName_=OneOf("PriorityClass"), operator_=OneOf("In"), values=List(TEXT)))))),
    "Pod": top("v1", spec_=POD),
    "NetworkPolicy": top("networking.k8s.io/v1", spec_=POLICY),
    "PodMonitor": top("monitoring.coreos.com/v1", spec_=Fields(
        jobLabel=TEXT, selector_=SELECTOR, namespaceSelector=NAMESPACES, podMetricsEndpoints_=ENDPOINT)),
    "ServiceMonitor": top("monitoring.coreos.com/v1", spec_=Fields(
        jobLabel=TEXT, selector_=SELECTOR, namespaceSelector=NAMESPACES, endpoints_=ENDPOINT)),
    "PrometheusRule": top("monitoring.coreos.com/v1", spec_=Fields(
        groups_=List(Fields(name_=TEXT, interval=DURATION, rules_=List(ALERT_RULE))))),
    "SecurityContextConstraints": top(
        "security.openshift.io/v1", namespaced=False, users=List(TEXT), groups=List(TEXT),
        allowHostDirVolumePlugin_=FLAG, allowHostIPC_=FLAG, allowHostNetwork_=FLAG, allowHostPID_=FLAG,
        allowHostPorts_=FLAG, allowPrivilegedContainer_=FLAG, allowPrivilegeEscalation=FLAG,
        readOnlyRootFilesystem_=FLAG,
        requiredDropCapabilities=List(TEXT), allowedCapabilities=List(TEXT), defaultAddCapabilities=List(TEXT),
        volumes=List(TEXT), seccompProfiles=List(TEXT), priority=NUMBER, runAsUser=STRATEGY_OF_SCC,
        seLinuxContext=STRATEGY_OF_SCC, fsGroup=STRATEGY_OF_SCC, supplementalGroups=STRATEGY_OF_SCC),
}


def check(document):
    """Raises Wrong if the object does not match its kind."""
    kind = document.get("kind")
    if kind not in KINDS:
        raise Wrong(f"unknown kind {kind!r}; add it to tests/deploy/schema.py")
    KINDS[kind].check(document, f"{kind} {document.get('metadata', {}).get('name')}")
