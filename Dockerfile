# One image for every role: web, worker, control, beat, flower and the migrations. See compose.yaml.

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
COPY requirements.txt .
# The environment gets no pip of its own: what is not in the image cannot be used against it.
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --requirement requirements.txt

FROM python:3.11-slim-bookworm
# What Microsoft's ODBC driver (inside mssql-python-odbc) and pyodbc link against.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libodbc2 libodbcinst2 libkrb5-3 libgssapi-krb5-2 \
    && rm -rf /var/lib/apt/lists/* \
    && pip uninstall --yes setuptools wheel pip \
    && useradd --system --uid 10001 --home-dir /srv/celery-camunda --shell /usr/sbin/nologin app
COPY --from=build /opt/venv /opt/venv
WORKDIR /srv/celery-camunda
COPY errors.py celeryconfig.py flowerconfig.py alembic.ini ./
COPY settings settings
COPY telemetry telemetry
COPY camunda_bridge camunda_bridge
COPY store store
COPY tasks tasks
COPY service service
COPY app app
COPY processes processes
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FLASK_APP=app \
    APP_ENV=production \
    WEB_HOST=0.0.0.0 \
    FLOWER_HOST=0.0.0.0 \
    METRICS_HOST=0.0.0.0
USER 10001
EXPOSE 8000 5555
# SIGTERM reaches gunicorn and Celery themselves: no shell stands before them.
CMD ["gunicorn", "-c", "app/gunicorn.py", "app:create_app()"]
