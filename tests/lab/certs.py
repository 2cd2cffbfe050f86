# SPDX-License-Identifier: Apache-2.0
"""Keys and certificates made with openssl: a CA, and server and client certificates of it."""

import os

from procs import require, run

_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def make_ca(folder, name):
    """A new CA; returns (certificate file, key file)."""
    cert, key = os.path.join(folder, f"{name}.crt"), os.path.join(folder, f"{name}.key")
    run([require("openssl", "openssl"), "req", "-x509", *_CURVE, "-keyout", key, "-out", cert, "-days", "2",
         "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,digitalSignature"],
        f"making the CA {name}")
    return cert, key


def make_server_certificate(folder, name, ca, alt_names):
    """A server certificate for `alt_names` ("DNS:x", "IP:y"); returns (certificate file, key file)."""
    return _make_certificate(folder, name, ca, f"/CN={name}",
                             f"subjectAltName={','.join(alt_names)}\nextendedKeyUsage=serverAuth\n")


def make_client_certificate(folder, name, ca, user, group=None):
    """A client certificate of a Kubernetes user; returns (certificate file, key file)."""
    subject = (f"/O={group}" if group else "") + f"/CN={user}"
    return _make_certificate(folder, name, ca, subject, "extendedKeyUsage=clientAuth\n")


def make_key(path):
    """A private key without a certificate, in the form that Kubernetes reads for ServiceAccounts."""
    run([require("openssl", "openssl"), "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path],
        f"making the key {path}")
    return path


def _make_certificate(folder, name, ca, subject, extensions_text):
    cert, key = os.path.join(folder, f"{name}.crt"), os.path.join(folder, f"{name}.key")
    request, extensions = cert + ".csr", cert + ".ext"
    openssl = require("openssl", "openssl")
    run([openssl, "req", *_CURVE, "-keyout", key, "-out", request, "-subj", subject], f"making the key of {name}")
    with open(extensions, "w") as out:
        out.write(extensions_text)
    run([openssl, "x509", "-req", "-in", request, "-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial", "-out", cert,
         "-days", "2", "-extfile", extensions], f"signing the certificate of {name}")
    return cert, key
