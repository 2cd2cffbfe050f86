# SPDX-License-Identifier: Apache-2.0
"""
The container image. buildah builds it on a Debian from debootstrap, so no public registry is needed. The test pushes it
to the lab's registry, pulls it with the lab's containerd, and starts it with the settings of the DaemonSet.
"""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path[:0] = [os.path.join(ROOT, "tests", each) for each in ("deploy", "integration", "e2e")]

import yaml  # noqa: E402

import kubectl  # noqa: E402
import support  # noqa: E402
from cri import Cri  # noqa: E402
from image_builder import Builder, command  # noqa: E402
from lab import Lab  # noqa: E402
from procs import free_port  # noqa: E402

SIZE_LIMIT = 30 << 20
SBOM = "/usr/share/doc/imagepull-exporter/sbom.spdx.json"
# The default capabilities of a container that ctr starts.
CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
                "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
                "CAP_AUDIT_WRITE")
DEBUG_LISTEN = "IMAGEPULL_DEBUG_LISTEN_ADDRESS"


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="imagepull-image-"))
        cls.builder = Builder(cls.folder)
        cls.facts = cls.builder.build("imagepull-exporter:first")
        cls.root = cls.builder.mount("imagepull-exporter:first")

    def files(self):
        return {os.path.join(where, name)[len(self.root):]: os.lstat(os.path.join(where, name))
                for where, _, names in os.walk(self.root) for name in names}

    def test_1_it_is_small_and_the_agent_is_the_only_program(self):
        files = self.files()
        self.assertLess(sum(each.st_size for each in files.values()), SIZE_LIMIT)
        programs = {path for path, each in files.items()
                    if stat.S_ISREG(each.st_mode) and each.st_mode & 0o111 and ".so" not in path}
        self.assertEqual(programs, {"/usr/bin/imagepull-exporter"})
        self.assertEqual([path for path, each in files.items() if each.st_mode & (stat.S_ISUID | stat.S_ISGID)], [])
        self.assertIn("/etc/ssl/certs/ca-certificates.crt", files)

    def test_2_its_metadata_is_right(self):
        config = self.facts["OCIv1"]["config"]
        self.assertEqual(config["Entrypoint"], ["/usr/bin/imagepull-exporter"])
        self.assertEqual(config["User"], "65532:0")
        self.assertEqual(config["Labels"]["org.opencontainers.image.licenses"], "Apache-2.0")
        self.assertEqual(config["Labels"]["org.opencontainers.image.revision"], "of-the-test")
        self.assertIn("revision of-the-test", command("chroot", self.root, "/usr/bin/imagepull-exporter", "--version")
                      .replace("(", " ").replace(")", " ").replace(",", " "))

    def test_2b_its_list_names_every_file_and_every_package(self):
        with open(self.root + SBOM) as source:
            sbom = json.load(source)
        listed = {each["fileName"].removeprefix("."): {sum["algorithm"]: sum["checksumValue"] for sum in each["checksums"]}
                  for each in sbom["files"]}
        regular = {path for path, each in self.files().items() if stat.S_ISREG(each.st_mode)} - {SBOM}
        self.assertEqual(set(listed), regular)
        for path, checksums in listed.items():
            with open(self.root + path, "rb") as source:
                content = source.read()
            self.assertEqual(checksums["SHA256"], hashlib.sha256(content).hexdigest(), path)
            self.assertEqual(checksums["SHA1"], hashlib.sha1(content).hexdigest(), path)

        packages = {each["SPDXID"]: each for each in sbom["packages"]}
        owners = {}
        for each in sbom["relationships"]:
            if each["relationshipType"] == "GENERATED_FROM":
                owners.setdefault(each["spdxElementId"], []).append(packages[each["relatedSpdxElement"]]["name"])
        self.assertEqual({each["SPDXID"] for each in sbom["files"]}, set(owners))
        self.assertEqual([names for names in owners.values() if len(names) != 1], [])
        # What Debian's own database says of some: shared libraries, static ones, data.
        names = {each["name"] for each in packages.values()}
        self.assertLessEqual({"imagepull-exporter", "libc6", "ca-certificates", "libmicrohttpd12t64", "libgrpc-dev",
                              "libabsl-dev", "libre2-dev", "libc-ares-dev"}, names)
        # Each package has a version, a package URL that scanners understand, and its licence in the image.
        for each in packages.values():
            if each["name"] == "imagepull-exporter":
                self.assertEqual(each["licenseDeclared"], "Apache-2.0")
                continue
            self.assertTrue(each["versionInfo"])
            self.assertRegex(each["externalRefs"][0]["referenceLocator"], r"^pkg:deb/debian/[a-z0-9.%B+-]+@[^?]+\?arch=")
            self.assertTrue(os.path.exists(f"{self.root}/usr/share/doc/{each['name']}/copyright"), each["name"])

    def test_2c_its_list_is_valid_spdx(self):
        with open(self.root + SBOM) as source:
            text = source.read()
        sbom = json.loads(text)
        self.assertEqual((sbom["spdxVersion"], sbom["dataLicense"], sbom["SPDXID"]),
                         ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT"))
        self.assertRegex(sbom["creationInfo"]["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertRegex(sbom["documentNamespace"], r"^https://[^#]+$")
        known = [sbom["SPDXID"], *(each["SPDXID"] for each in sbom["packages"] + sbom["files"])]
        self.assertEqual(len(known), len(set(known)))
        for each in known:
            self.assertRegex(each, r"^SPDXRef-[A-Za-z0-9.-]+$")
        for each in sbom["relationships"]:
            self.assertIn(each["spdxElementId"], known)
            self.assertIn(each["relatedSpdxElement"], known)
        for each in sbom["packages"]:
            for field in ("name", "downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText"):
                self.assertTrue(each[field], (each["name"], field))

    def test_3_make_image_builds_the_same_and_writes_the_list_of_its_content(self):
        made = os.path.join(self.folder, "made")
        second = self.builder.make("imagepull-exporter:second", made)
        self.assertEqual(second["OCIv1"]["rootfs"], self.facts["OCIv1"]["rootfs"])
        for same in ("config", "created", "architecture", "os"):
            self.assertEqual(second["OCIv1"][same], self.facts["OCIv1"][same])
        with open(self.root + SBOM) as inside, open(os.path.join(made, "image", "sbom.spdx.json")) as beside:
            self.assertEqual(inside.read(), beside.read())
        self.assertTrue(os.path.exists(os.path.join(made, "image", "libgrpc-dev", "copyright")))

    def test_3b_the_one_for_the_other_processor_is_the_same_without_a_byte_of_this_one(self):
        this = self.facts["OCIv1"]["architecture"]
        other, machine = {"amd64": ("arm64", "aarch64"), "arm64": ("amd64", "x86_64")}[this]
        facts = self.builder.build("imagepull-exporter:other", "--platform", "linux/" + other,
                                   "--build-arg", "BUILDPLATFORM=linux/" + this)
        self.assertEqual(facts["OCIv1"]["architecture"], other)
        self.assertEqual(facts["OCIv1"]["config"], self.facts["OCIv1"]["config"])
        root = self.builder.mount("imagepull-exporter:other")
        paths = [os.path.join(where, name) for where, _, names in os.walk(root) for name in names]
        self.assertLess(sum(os.lstat(path).st_size for path in paths), SIZE_LIMIT)
        machines = {self.machine(path) for path in paths if not os.path.islink(path)}
        self.assertEqual(machines, {None, {"aarch64": 183, "x86_64": 62}[machine]})
        with open(root + SBOM) as source:
            packages = [each for each in json.load(source)["packages"] if "externalRefs" in each]
        self.assertEqual({re.search(r"arch=(\w+)", each["externalRefs"][0]["referenceLocator"])[1] for each in packages},
                         {other, "all"})
        said = command(f"qemu-{machine}-static", "-L", root, root + "/usr/bin/imagepull-exporter", "--version")
        self.assertIn("revision of-the-test", said)

    @staticmethod
    def machine(path):
        """The processor of an ELF file, as in its header; None: it is no such file."""
        with open(path, "rb") as source:
            head = source.read(20)
        return int.from_bytes(head[18:20], "little") if head.startswith(b"\x7fELF") else None

    def test_4_it_runs_with_the_settings_of_the_daemonset(self):
        lab = self.enterContext(Lab())
        lab.api.create("pods", {"metadata": {"name": "mailer"}, "spec": {"nodeName": lab.node, "containers": [
            {"name": "app", "image": lab.endpoints["down"] + "/team/app:v1"}]}})
        self.builder("push", "--tls-verify=false", "imagepull-exporter:first",
                     f"docker://{lab.open.address}:{lab.open.port}/imagepull-exporter:first")
        runtime = Cri(lab.containerd.socket)
        self.addCleanup(runtime.close)
        image = lab.open.image("imagepull-exporter", "first")
        runtime.pull(image)

        started = Started(lab, image, os.path.join(self.folder, "node"))
        self.addCleanup(started.stop)
        support.wait_for(started.ready, "/-/ready")
        support.wait_for(lambda: started.failure("mailer")["cause"] == "registry_error", "the failure")
        # Runs the program inside the container, like kubectl exec.
        self.assertIn("mailer", started.status())
        with open(f"/proc/{started.pid()}/status") as status:
            rights = dict(line.strip().split(":\t", 1) for line in status if ":\t" in line)
        self.assertEqual((int(rights["CapEff"], 16), int(rights["CapBnd"], 16)), (0, 0))
        self.assertEqual((rights["NoNewPrivs"], rights["Seccomp"]), ("1", "2"))
        print(f"the agent in its container: VmRSS {rights['VmRSS'].strip()}, of it RssAnon {rights['RssAnon'].strip()}")

        # The socket of a killed agent does not stop the next one from starting.
        started.stop("SIGKILL")
        started.start()
        support.wait_for(started.ready, "/-/ready of the next one")
        self.assertEqual(started.failure("mailer")["pod"], "mailer")


class Started:
    """The agent in the lab's containerd, with the settings of the DaemonSet in the overlay 'containerd'."""

    def __init__(self, lab, image, node):
        self.lab, self.image, self.node = lab, image, node
        daemonset = next(each for each in yaml.safe_load_all(command(
            kubectl.path(), "kustomize", os.path.join(ROOT, "deploy", "kustomize", "overlays", "containerd")))
                         if each["kind"] == "DaemonSet")
        self._container, = daemonset["spec"]["template"]["spec"]["containers"]
        self.web = (lab.address, free_port(lab.address))
        account = os.path.join(node, "account")
        for folder in (account, os.path.join(node, "debug"), os.path.join(node, "fifo")):
            os.makedirs(folder)
        os.chmod(os.path.join(node, "debug"), 0o777)  # as the kubelet makes an emptyDir
        os.chmod(os.path.dirname(lab.containerd.socket), 0o711)  # as containerd makes /run/containerd
        for name, path in (("ca.crt", lab.api_double.ca_file), ("token", lab.api_double.token_file)):
            with open(path) as source, open(os.path.join(account, name), "w") as out:
                out.write(source.read())
        # The volumes of the pod, and its token.
        self._mounts = {"/run/containerd": (os.path.dirname(lab.containerd.socket), "ro"),
                        "/run/imagepull-exporter": (os.path.join(node, "debug"), "rw"),
                        "/var/run/secrets/kubernetes.io/serviceaccount": (account, "ro")}
        self._generation = 0
        self.start()

    def _environment(self):
        host, _, port = self.lab.api_double.url.removeprefix("https://").rpartition(":")
        fields = {"spec.nodeName": self.lab.node, "status.hostIP": self.lab.address}
        found = {each["name"]: each.get("value") or fields[each["valueFrom"]["fieldRef"]["fieldPath"]]
                 for each in self._container["env"]}
        # `status` asks the socket. The port is that of a pod; start() replaces it. ctr splits values at commas.
        port_of_pod, found[DEBUG_LISTEN] = found[DEBUG_LISTEN].split(",")
        assert port_of_pod == "127.0.0.1:9918", port_of_pod
        return {**found, "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}

    def start(self):
        self._generation += 1
        self.name = f"agent-{self._generation}"
        # The container uses the network of the host, so it needs free ports. A real pod has its own network.
        arguments = [*self._container["args"], f"--web.listen-address={self.web[0]}:{self.web[1]}",
                     "--debug.listen-address=127.0.0.1:0", f"--debug.listen-address={self._environment()[DEBUG_LISTEN]}"]
        self.lab.containerd.ctr(
            "run", "--detach", "--snapshotter", "native", "--net-host", "--read-only", "--seccomp",
            "--log-uri", "file://" + os.path.join(self.node, self.name + ".log"),
            *(flag for name in CAPABILITIES for flag in ("--cap-drop", name)),
            *(flag for name, value in self._environment().items() for flag in ("--env", f"{name}={value}")),
            *(flag for inside, (outside, mode) in self._mounts.items()
              for flag in ("--mount", f"type=bind,src={outside},dst={inside},options=rbind:{mode}")),
            self.image, self.name, "/usr/bin/imagepull-exporter", *arguments)

    def stop(self, signal="SIGTERM"):
        if self.name:
            self.lab.containerd.ctr("task", "kill", "--signal", signal, self.name)
            support.wait_for(lambda: "RUNNING" not in self._task(), "its end")
            self.lab.containerd.ctr("task", "delete", self.name)
            self.lab.containerd.ctr("container", "delete", self.name)
            self.name = None

    def _task(self):
        tasks = self.lab.containerd.ctr("task", "ls").splitlines()
        return next(line for line in tasks if line.startswith(self.name + " "))

    def pid(self):
        """The process ID on this machine. The lab's runtime has its own PID namespace."""
        inner = self._task().split()[1]
        for each in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{each}/comm") as name, open(f"/proc/{each}/cmdline") as line, \
                        open(f"/proc/{each}/status") as status:
                    ours = name.read().strip().startswith("imagepull-expor") and f":{self.web[1]}" in line.read()
                    numbers = next(text.split()[1:] for text in status if text.startswith("NSpid:"))
            except (OSError, StopIteration):
                continue
            if ours and inner in numbers:
                return int(each)
        raise AssertionError(f"{self.name} does not run")

    def ready(self):
        done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*",
                               f"http://{self.web[0]}:{self.web[1]}/-/ready"], capture_output=True, text=True)
        return done.stdout == "200"

    def failure(self, pod):
        """Asks on the node, not in the container."""
        socket = os.path.join(self.node, "debug", "debug.sock")
        answer = command("curl", "-s", "--noproxy", "*", "--unix-socket", socket, "http://localhost/debug/failures")
        found = [each for each in json.loads(answer)["failures"] if each["pod"] == pod]
        return found[0] if found else {"cause": None}

    def status(self):
        """The output of `status`. Its exit status is 1 if something is blocked."""
        try:
            return self.lab.containerd.ctr("task", "exec", "--fifo-dir", os.path.join(self.node, "fifo"), "--exec-id",
                                           "status", self.name, "/usr/bin/imagepull-exporter", "status")
        except Exception as error:  # its text is the output
            return str(error)


if __name__ == "__main__":
    unittest.main()
