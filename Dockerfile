# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /app/.venv \
    && /app/.venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.11-slim
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ENVIRONMENT=production \
    HOST=0.0.0.0 \
    PORT=8080 \
    MARKETWATCH_DATA_DIR=/data
RUN groupadd --system --gid 10001 marketwatch \
    && useradd --system --uid 10001 --gid marketwatch --home-dir /app --shell /usr/sbin/nologin marketwatch \
    && install -d -o marketwatch -g marketwatch /data
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY migrations migrations
COPY static static
COPY templates templates
COPY marketwatch marketwatch
RUN python -m compileall -q marketwatch
USER 10001:10001
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=15s --retries=3 CMD ["python", "-m", "marketwatch", "healthcheck"]
CMD ["python", "-m", "marketwatch", "run", "--no-browser"]
