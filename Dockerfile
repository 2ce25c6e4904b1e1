# Two targets: `postroom` (Apache-2.0: every service but ingest) and `postroom-ingest` (GPL-3.0-or-later: all six, because
# ingest imports aioimaplib).
#   docker build --target postroom -t postroom:0.1.0 .
#   docker build --target postroom-ingest -t postroom-ingest:0.1.0 .
# Executed without Docker by `make check-image`.

# By digest: a tag can be moved. `docker buildx imagetools inspect python:3.11-slim-bookworm` shows the one of today.
ARG PYTHON_IMAGE=docker.io/library/python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
# The environment has no pip of its own: what runs does not install.
RUN python3 -m venv --without-pip /opt/postroom
ENV PIP="python3 -m pip --python /opt/postroom/bin/python --disable-pip-version-check -q --no-cache-dir"
COPY requirements.lock requirements-image.txt ./
# Only what runs: the embedded servers and the development tools of the lock stay out of the image.
RUN $PIP install --require-hashes --no-deps -r requirements-image.txt
COPY contracts contracts
COPY runtime runtime
COPY services services
# What the browser loads beside our own scripts, by the base's own Python: the environment has no pip.
RUN python3 services/desk/web_assets.py --production && rm -rf services/desk/node_modules build
RUN $PIP install --no-deps --no-build-isolation \
    ./contracts ./runtime ./services/router ./services/assigner ./services/notifier ./services/analytics ./services/desk

FROM build AS build-ingest
RUN $PIP install --no-deps --no-build-isolation ./services/ingest

# What an image holds, as CycloneDX: packages with versions, licences and origins (the base's Debian packages are not in it).
FROM ${PYTHON_IMAGE} AS sbom
COPY requirements-sbom.txt ./
RUN python3 -m venv /opt/sbom && /opt/sbom/bin/pip install -q --no-cache-dir --require-hashes -r requirements-sbom.txt

FROM sbom AS finished
COPY --from=build /opt/postroom /opt/postroom
# aioimaplib is for ingest alone; the other three only built packages.
RUN python3 -m pip --python /opt/postroom/bin/python uninstall -q -y aioimaplib hatchling editables trove-classifiers \
 && /opt/sbom/bin/cyclonedx-py environment --output-reproducible -o /opt/postroom/sbom.cdx.json /opt/postroom/bin/python

FROM sbom AS finished-ingest
COPY --from=build-ingest /opt/postroom /opt/postroom
RUN python3 -m pip --python /opt/postroom/bin/python uninstall -q -y hatchling editables trove-classifiers \
 && /opt/sbom/bin/cyclonedx-py environment --output-reproducible -o /opt/postroom/sbom.cdx.json /opt/postroom/bin/python

FROM ${PYTHON_IMAGE} AS base
ARG PYTHON_IMAGE
ARG VERSION=0.1.0
# The commit and the time of the build, where whoever builds knows them.
ARG REVISION=""
ARG CREATED=""
LABEL org.opencontainers.image.title="Postroom" \
      org.opencontainers.image.description="A shared inbox as event-driven microservices" \
      org.opencontainers.image.vendor="Postroom" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin postroom
ENV PATH=/opt/postroom/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    POSTROOM_HTTP_HOST=0.0.0.0 POSTROOM_HTTP_PORT=8080
COPY LICENSE /usr/share/doc/postroom/LICENSE
# A number, so that Kubernetes can see that it is not root.
USER 10001
EXPOSE 8080
ENTRYPOINT ["postroom"]

FROM base AS postroom-ingest
LABEL org.opencontainers.image.licenses="GPL-3.0-or-later"
COPY services/ingest/LICENSE /usr/share/doc/postroom/LICENSE
COPY --from=finished-ingest /opt/postroom /opt/postroom
CMD ["run", "ingest"]

FROM base AS postroom
LABEL org.opencontainers.image.licenses="Apache-2.0"
COPY --from=finished /opt/postroom /opt/postroom
CMD ["--help"]
