# One image for all roles: coordinator, proposer, evaluator. It runs as an ordinary user on a read-only root.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
RUN python -m venv /opt/venv \
    && python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > needs.txt \
    && /opt/venv/bin/pip install --no-cache-dir -r needs.txt
COPY discovery discovery
COPY islands islands
COPY evaluators evaluators
COPY problems problems
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps . && /opt/venv/bin/python -m compileall -q /opt/venv/lib/python3.11/site-packages/discovery

FROM python:3.11-slim-bookworm AS service
RUN apt-get update \
    && apt-get install -y --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin discovery
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
WORKDIR /tmp
USER 10001:10001
ENTRYPOINT ["discovery"]
CMD ["--help"]

# The same with the tests, to attack the sandbox from inside the container: docs/deploy.md.
FROM service AS test
USER root
RUN /opt/venv/bin/pip install --no-cache-dir pytest pytest-timeout pytest-xdist pytest-randomly hypothesis
COPY pyproject.toml /suite/
COPY tests /suite/tests
WORKDIR /suite
USER 10001:10001
ENTRYPOINT ["python", "-m", "pytest", "-p", "no:cacheprovider"]

FROM service
