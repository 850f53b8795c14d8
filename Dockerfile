# The relay's image: built and run on Debian 12 slim. `./dev image` builds it with docker, podman or buildah.
# HOOKSTREAM_BASE_IMAGE: another Debian 12 for both stages, e.g. from a mirror, or imported from a root file system.
ARG HOOKSTREAM_BASE_IMAGE=debian:bookworm-slim

FROM ${HOOKSTREAM_BASE_IMAGE} AS build
WORKDIR /src
# The package list is ./dev's; this layer changes only with it.
COPY dev ./
RUN apt-get update -q \
  && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(./dev packages build) \
  && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release -DBUILD_TESTING=OFF \
  && cmake --build --preset release --target hookstream \
  && mkdir -p /out/usr/share/doc/hookstream \
  && cmake --install build/release --strip --prefix /out/usr/local \
  && cp LICENSE /out/usr/share/doc/hookstream/ \
  # The packages of the libraries that the program loads: what the next stage installs, and nothing else.
  && ldd build/release/hookstream | awk '$3 ~ /^\// {print $3}' | xargs -n 1 readlink -f \
    | sed 's,^/usr,,' | while read -r lib; do dpkg-query -S "*$lib"; done | cut -d : -f 1 | sort -u > /out/packages \
  && test -s /out/packages

FROM ${HOOKSTREAM_BASE_IMAGE}
LABEL org.opencontainers.image.title="hookstream" \
  org.opencontainers.image.description="Verified webhooks in over HTTP, typed events out over gRPC" \
  org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/packages /tmp/packages
RUN apt-get update -q \
  && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends ca-certificates $(cat /tmp/packages) \
  && rm -rf /var/lib/apt/lists/* /tmp/packages \
  && groupadd --gid 10001 hookstream \
  && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/hookstream --shell /usr/sbin/nologin hookstream \
  && install -d -o hookstream -g hookstream -m 0750 /var/lib/hookstream
COPY --from=build /out/usr /usr
RUN ! ldd /usr/local/bin/hookstream | grep "not found"
USER 10001:10001
WORKDIR /var/lib/hookstream
VOLUME /var/lib/hookstream
EXPOSE 8080 9090 9091
STOPSIGNAL SIGTERM
# No HEALTHCHECK: probes are the orchestrator's (/healthz and /readyz of the admin port).
ENTRYPOINT ["/usr/local/bin/hookstream"]
CMD ["serve", "--config", "/etc/hookstream/hookstream.yaml"]
