# SPDX-License-Identifier: Apache-2.0
#
#   docker build --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) \
#                --build-arg REVISION=$(git rev-parse --short=12 HEAD) -t imagepull-exporter .
#
# It builds for the processor of the machine (amd64, arm64), or for that of --platform, with a cross compiler: nothing
# of the other processor runs during the build.

# For a reproducible build, pin the base image: --build-arg BASE=docker.io/library/debian@sha256:...
ARG BASE=docker.io/library/debian:trixie-slim

FROM --platform=${BUILDPLATFORM} ${BASE} AS build
RUN apt-get update -q && apt-get install -y -q --no-install-recommends make ca-certificates
WORKDIR /src
COPY scripts/install-packages scripts/packages.txt scripts/
ARG TARGETARCH
RUN scripts/install-packages --for "${TARGETARCH:?}" build
COPY . .
ARG REVISION=unknown
RUN case ${TARGETARCH} in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; esac && \
    make DEPS=no CC="${machine}-linux-gnu-gcc" BUILD=/build REVISION="${REVISION}" \
        LDFLAGS=-Wl,-Map=/build/link.map all
# The program, its shared libraries, the CA certificates, the licences, and a list of all that. Debian's C library
# resolves names without further files.
ARG SOURCE_DATE_EPOCH=0
RUN scripts/image-root /rootfs /build/imagepull-exporter /build/link.map

# The list and the licences alone, which "make image" writes beside the image.
FROM scratch AS documents
COPY --from=build /rootfs/usr/share/doc/ /

# An empty base: no shell, no package manager, no other program.
FROM scratch
COPY --from=build /rootfs/ /
ARG REVISION=unknown
LABEL org.opencontainers.image.title="imagepull-exporter" \
      org.opencontainers.image.description="Tells why an image cannot be pulled on a Kubernetes node" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"
# The group root may connect to the runtime's socket. The DaemonSet sets the same user, and drops all capabilities.
USER 65532:0
EXPOSE 9917
ENTRYPOINT ["/usr/bin/imagepull-exporter"]
