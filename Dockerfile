# SPDX-License-Identifier: Apache-2.0
#
#   docker build --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) \
#                --build-arg REVISION=$(git rev-parse --short=12 HEAD) -t imagepull-exporter .
#
# It builds for the processor of the machine (amd64, arm64), or for that of --platform.

# For a reproducible build, pin the base image: --build-arg BASE=docker.io/library/debian@sha256:...
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update -q && apt-get install -y -q --no-install-recommends make ca-certificates
WORKDIR /src
COPY scripts/install-packages scripts/packages.txt scripts/
RUN scripts/install-packages build
COPY . .
ARG REVISION=unknown
RUN make DEPS=no BUILD=/build REVISION="${REVISION}" all

# The files of the image: the program, its shared libraries, the CA certificates, and the licences of all of them and of
# the static libraries. Debian's C library resolves names without further files.
ARG SOURCE_DATE_EPOCH=0
RUN set -eu; root=/rootfs; packages="libgrpc-dev libabsl-dev libre2-dev libc-ares-dev ca-certificates"; \
    install -D -s -m 0755 /build/imagepull-exporter $root/usr/bin/imagepull-exporter; \
    for lib in $(ldd /build/imagepull-exporter | grep -o '/[^ ]*'); do \
        install -D -m 0755 "$lib" "$root$lib"; \
        packages="$packages $(dpkg -S "*/${lib##*/}" | sed -n '1s/:.*//p')"; done; \
    install -D -m 0644 /etc/ssl/certs/ca-certificates.crt $root/etc/ssl/certs/ca-certificates.crt; \
    for package in $packages; do \
        install -D -m 0644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"; done; \
    install -D -m 0644 LICENSE $root/usr/share/doc/imagepull-exporter/LICENSE; \
    find $root -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +

# An empty base: no shell, no package manager, no other program.
FROM scratch
COPY --from=build /rootfs/ /
ARG REVISION=unknown
LABEL org.opencontainers.image.title="imagepull-exporter" \
      org.opencontainers.image.description="Tells why an image cannot be pulled on a Kubernetes node" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"
# Only root can connect to the runtime's socket. The DaemonSet drops all capabilities.
USER 0:0
EXPOSE 9917
ENTRYPOINT ["/usr/bin/imagepull-exporter"]
