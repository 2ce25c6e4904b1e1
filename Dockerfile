# Two targets: `postroom` (Apache-2.0: every service but ingest) and `postroom-ingest` (GPL-3.0-or-later: imports aioimaplib).
#   docker build --target postroom -t postroom:0.1.0 .
#   docker build --target postroom-ingest -t postroom-ingest:0.1.0 .
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
RUN python3 -m venv /opt/postroom
COPY requirements.lock requirements-image.txt ./
# Only what runs: the embedded servers and the development tools of the lock stay out of the image.
RUN /opt/postroom/bin/pip install -q --no-cache-dir --require-hashes --no-deps -r requirements-image.txt
COPY contracts contracts
COPY runtime runtime
COPY services services
RUN /opt/postroom/bin/python services/desk/web_assets.py --production
RUN /opt/postroom/bin/pip install -q --no-cache-dir --no-deps --no-build-isolation \
    ./contracts ./runtime ./services/router ./services/assigner ./services/notifier ./services/analytics ./services/desk

FROM build AS build-ingest
RUN /opt/postroom/bin/pip install -q --no-cache-dir --no-deps --no-build-isolation ./services/ingest

FROM ${PYTHON_IMAGE} AS base
LABEL org.opencontainers.image.title="Postroom" \
      org.opencontainers.image.description="A shared inbox as event-driven microservices" \
      org.opencontainers.image.version="0.1.0"
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin postroom
ENV PATH=/opt/postroom/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    POSTROOM_HTTP_HOST=0.0.0.0 POSTROOM_HTTP_PORT=8080
USER 10001
EXPOSE 8080
ENTRYPOINT ["postroom"]

FROM base AS postroom-ingest
LABEL org.opencontainers.image.licenses="GPL-3.0-or-later"
COPY --from=build-ingest /opt/postroom /opt/postroom
CMD ["run", "ingest"]

FROM base AS postroom
LABEL org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/postroom /opt/postroom
CMD ["--help"]
