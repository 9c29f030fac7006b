# syntax=docker/dockerfile:1
# Two stages: compilers and pip stay in the first, the second has Python, the gateway and a user.

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/postern
WORKDIR /src
# The pinned dependencies first: this layer is built again only when the lock file changes.
COPY requirements.lock ./
RUN /opt/postern/bin/pip install -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY admin_api admin_api
COPY benchmarks benchmarks
COPY conf conf
COPY gateway gateway
COPY postern postern
COPY protocols protocols
RUN /opt/postern/bin/pip install --no-deps .

FROM python:3.11-slim
RUN groupadd --system --gid 10001 postern \
    && useradd --system --uid 10001 --gid postern --home-dir /var/lib/postern --create-home postern
COPY --from=build /opt/postern /opt/postern
# POSTERN_HEALTH_URL is the `[listen] admin` address as seen inside the container.
ENV PATH=/opt/postern/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    POSTERN_CONFIG=/etc/postern/postern.toml \
    POSTERN_HEALTH_URL=http://127.0.0.1:9090/healthz
USER postern
WORKDIR /var/lib/postern
VOLUME /var/lib/postern
# REST, SMPP, metrics and health
EXPOSE 8080 2775 9090
# SIGTERM drains for `[drain] deadline_s`, 6 seconds by default, below the 10 Docker waits before SIGKILL.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['POSTERN_HEALTH_URL'], timeout=2)"]
ENTRYPOINT ["postern"]
CMD ["serve", "-c", "/etc/postern/postern.toml"]
