# One image per service: docker build --build-arg SERVICE=user_service .
FROM python:3.13-slim AS build
ARG SERVICE
RUN python -m venv /venv
COPY requirements/${SERVICE}.txt /requirements.txt
RUN /venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.txt \
 && /venv/bin/pip uninstall --quiet --yes pip

FROM python:3.13-slim
ARG SERVICE
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin parley \
 && install -d -o parley -g parley /data
COPY --from=build /venv /venv
WORKDIR /app
COPY contracts contracts
COPY messaging messaging
COPY common common
COPY ${SERVICE} ${SERVICE}
RUN /venv/bin/python -m compileall -q .
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 SERVICE=${SERVICE}
USER parley
# every connection takes a file descriptor
CMD ["sh", "-c", "ulimit -Sn $(ulimit -Hn) && exec python -m \"$SERVICE\""]
