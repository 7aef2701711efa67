# One image for web, worker and release; docs/operations.md says how each is run.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /srv/homeproductions

# requirements-sentry.txt is the same with the package for SENTRY_DSN.
ARG REQUIREMENTS=requirements.txt
COPY ${REQUIREMENTS} .
RUN useradd --system --no-create-home --uid 10001 homeproductions \
    && pip install --require-hashes -r "${REQUIREMENTS}"

# .dockerignore lets in what runs, and nothing else.
COPY . .
# The settings ask for these three; nothing is connected to, and they are in no layer of the image.
RUN DATABASE_URL=postgresql:///none \
    JWT_SECRET=while-the-image-is-being-built-1 \
    JWT_REFRESH_SECRET=while-the-image-is-being-built-2 \
    python manage.py collectstatic --noinput

USER 10001

EXPOSE 8080
# The worker has no address to ask: run it with --no-healthcheck.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "deploy/alive.py"]
CMD ["gunicorn", "homeproductions.wsgi", "-c", "gunicorn.conf.py"]
