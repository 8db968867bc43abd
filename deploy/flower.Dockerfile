# Flower, and Celery for it; nothing of Cellblock. Build it from the repository's root.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
ARG PIP_NO_INDEX=
ENV PIP_FIND_LINKS=/src/wheels PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY deploy/wheels wheels
COPY deploy/requirements/flower.txt requirements.txt
RUN python3 -m venv /opt/flower \
 && /opt/flower/bin/python -m pip install --require-hashes -r requirements.txt \
 && /opt/flower/bin/python -m pip uninstall --yes pip \
 && mkdir /data && chown 10001:10001 /data

FROM ${PYTHON}
COPY --from=build /opt/flower /opt/flower
COPY --from=build --chown=10001:10001 /data /data
COPY deploy/flower/flowerconfig.py /etc/flower/flowerconfig.py
ENV PATH=/opt/flower/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 5555
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:5555/healthcheck', timeout=8)"]
ENTRYPOINT ["celery", "flower", "--conf=/etc/flower/flowerconfig.py"]
