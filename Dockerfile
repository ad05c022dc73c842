# Tocsin as an image: two stages, no compiler, no pip and no package manager's cache in what is shipped.
#
#   docker build -t tocsin .
#   docker build -t tocsin --build-arg BASE=python:3.11.14-slim-bookworm@sha256:... .      pins the bytes of the base
#   docker build -t tocsin --secret id=pip.conf,src=pip.conf .                             wheels from an index of yours
#
# Every wheel is one that locks/runtime.txt names by digest (made by .ci/lock); nothing is compiled here. The base needs
# Python 3.11 or newer at a path that both stages share, as both are built from it.
ARG BASE=python:3.11.14-slim-bookworm

# ---------------------------------------------------------------- stage one: the wheels, and an environment of them
FROM ${BASE} AS wheels
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /build
COPY locks/ locks/
# The environment that is shipped has no pip: the one beside it fills it.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf,required=false \
    python3 -m venv tools \
 && tools/bin/python -m pip install --require-hashes --only-binary :all: --requirement locks/build.txt \
 && python3 -m venv --without-pip /opt/tocsin \
 && tools/bin/python -m pip --python /opt/tocsin/bin/python install \
        --require-hashes --only-binary :all: --requirement locks/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY monitor/ monitor/
RUN tools/bin/python -m pip wheel --no-deps --no-build-isolation --no-index --wheel-dir dist . \
 && tools/bin/python -m pip --python /opt/tocsin/bin/python install --no-deps --no-index dist/*.whl

# ---------------------------------------------------------------- stage two: what runs
FROM ${BASE} AS tocsin
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tocsin" \
      org.opencontainers.image.description="A production model monitoring daemon: drift, accuracy and poisoning evidence, alerts, and rollback to a known-good model." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# A named volume that is mounted on one of these directories for the first time takes over its owner. Only the first is
# the daemon's own; the others are where docker-compose.yml puts bundles, secrets, the senders' tokens and the key that signs.
# /etc/passwd is left alone: a number is all that a kernel, a pod's runAsUser and a volume's owner need.
RUN install -d -o 65532 -g 65532 -m 0750 \
        /var/lib/tocsin /srv/tocsin /srv/tocsin/models /srv/tocsin/secrets /srv/tocsin/tokens /srv/tocsin/keys

COPY --from=wheels /opt/tocsin /opt/tocsin

# TMPDIR: SQLite and Python spill where the one writable volume is, so that the root file system can be read-only.
ENV PATH=/opt/tocsin/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/tocsin \
    TMPDIR=/var/lib/tocsin \
    DO_NOT_TRACK=1
USER 65532:65532
WORKDIR /var/lib/tocsin
VOLUME ["/var/lib/tocsin"]

# 8470: intake and API, loopback only, so it is reached from the same network namespace. 9470: /metrics and /-/healthy.
EXPOSE 9470
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["tocsin", "healthy"]
ENTRYPOINT ["tocsin"]
CMD ["run", "--config", "/etc/tocsin/tocsin.yaml"]
