# The worker: Python, Node.js (a wheel), the sandbox. Build it from the repository's root:
#   docker build -f deploy/worker.Dockerfile .
# Versions and hashes come from uv.lock by deploy/requirements (make requirements).
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
# Wheels in deploy/wheels are used before PyPI's; with PIP_NO_INDEX=1, instead of them.
ARG PIP_NO_INDEX=
ENV PIP_FIND_LINKS=/src/wheels PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY deploy/wheels wheels
COPY deploy/requirements/worker.txt requirements.txt
RUN python3 -m venv /opt/cellblock \
 && /opt/cellblock/bin/python -m pip install --require-hashes -r requirements.txt
COPY producer producer
COPY sandbox sandbox
COPY worker worker
# The addons are compiled here, with a compiler from PyPI where the image has none.
RUN /opt/cellblock/bin/python -m pip install --no-deps ./producer ./sandbox ./worker \
 && /opt/cellblock/bin/python -m pip uninstall --yes pip

FROM ${PYTHON}
# Celery takes a group without a name for root's, and warns.
RUN groupadd --gid 10001 cellblock \
 && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin cellblock
COPY --from=build /opt/cellblock /opt/cellblock
ENV PATH=/opt/cellblock/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    CELLBLOCK_HTTP=0.0.0.0:9808 CELLBLOCK_LOG_FORMAT=json
USER 10001:10001
EXPOSE 9808
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 CMD ["cellblock", "health", "ready"]
ENTRYPOINT ["cellblock"]
CMD ["worker"]
