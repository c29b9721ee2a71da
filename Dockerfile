# One recipe for the images of the five programs: docker build --build-arg PROGRAM=pedidos .
# (pedidos, estoque, operator, conferir or painel). `make images` builds them all. No BuildKit is needed.

ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
ENV PATH=/build/tools/bin:${PATH} PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv --without-pip /app && python -m venv tools
COPY requirements/build.txt requirements/
RUN pip install --require-hashes --no-deps -r requirements/build.txt
ARG PROGRAM
# Pinned libraries before our own code, so most builds reuse this layer. Sources of compiled modules, and the locales of
# faker (an indirect dependency), are not needed at run time.
COPY requirements/${PROGRAM}.txt requirements/dbmate.txt requirements/
RUN case "${PROGRAM}" in pedidos | estoque) dbmate="-r requirements/dbmate.txt" ;; esac; \
    pip --python /app/bin/python install --require-hashes --no-deps -r "requirements/${PROGRAM}.txt" ${dbmate:-} \
    && find /app/lib -regex '.*\.\(c\|h\|pyx\|pxd\|pyi\)' -delete \
    && find /app/lib -path '*/faker/providers/*' -type d -name '??_*' ! -name en_US -prune -exec rm -r {} +
COPY lib lib
# The program's directory, at the top or in services/. COPY accepts a pattern without a match, but not a missing name.
COPY ${PROGRAM}* services/${PROGRAM}* program/
RUN pip wheel --no-deps --no-build-isolation --wheel-dir wheels ./lib ./program \
    && pip --python /app/bin/python install --no-deps --no-index wheels/*.whl \
    && printf '#!/bin/sh\nexec python -m %s "$@"\n' "$(ls program/src)" > /app/bin/program \
    && chmod +x /app/bin/program \
    && ln -s /app/lib/python3*/site-packages /app/packages \
    && if [ -d program/db ]; then mkdir /app/db && cp -R program/db/migrations /app/db/; fi

FROM ${PYTHON_IMAGE} AS runtime
# A running container needs no package installer.
RUN rm -rf "$(python -c 'import pip; print(*pip.__path__)')" /usr/bin/pip* /usr/local/bin/pip* \
    && echo 'reserva:x:10001:10001::/app:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'reserva:x:10001:' >> /etc/group
WORKDIR /app
# Bytecode is already compiled, and the root file system is read-only.
ENV PATH=/app/bin:${PATH} PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    DBMATE_MIGRATIONS_DIR=/app/db/migrations DBMATE_NO_DUMP_SCHEMA=true \
    HOST=0.0.0.0 PORT=8000 METRICS_PORT=9000
EXPOSE 8000 9000
USER 10001:10001
ENTRYPOINT ["program"]

# For `skaffold dev`: the program owns its files, so skaffold can overwrite changed ones; the program then restarts.
FROM runtime AS dev
COPY --from=build --chown=10001:10001 /app /app
COPY k8s/dev/reload.py /app/
ENTRYPOINT ["python", "/app/reload.py"]

FROM runtime
COPY --from=build /app /app
ARG PROGRAM
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="reservaestoque/${PROGRAM}" \
    org.opencontainers.image.description="ReservaEstoque: the program ${PROGRAM}" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
