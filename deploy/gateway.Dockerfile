# The HTTP gateway: the producer alone, without sandbox, Celery or Node.js. Build it from the repository's root.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
ARG PIP_NO_INDEX=
ENV PIP_FIND_LINKS=/src/wheels PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY deploy/wheels wheels
COPY deploy/requirements/gateway.txt requirements.txt
RUN python3 -m venv /opt/cellblock \
 && /opt/cellblock/bin/python -m pip install --require-hashes -r requirements.txt
COPY producer producer
RUN /opt/cellblock/bin/python -m pip install --no-deps ./producer \
 && /opt/cellblock/bin/python -m pip uninstall --yes pip

FROM ${PYTHON}
COPY --from=build /opt/cellblock /opt/cellblock
ENV PATH=/opt/cellblock/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    CELLBLOCK_GATEWAY_HOST=0.0.0.0 CELLBLOCK_GATEWAY_PORT=8194
USER 10001:10001
EXPOSE 8194
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8194/ready', timeout=8)"]
ENTRYPOINT ["python3", "-m", "cellblock_producer.gateway"]
