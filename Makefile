# All developer tasks. Needs Python 3.11 or later and a package manager; each target sets up what it needs.
# Settings by environment or on the command line: make up GATEWAY_PORT=9000 REPLICAS=pedidos=2,estoque=2

.DEFAULT_GOAL := help
PROJECTS := $(patsubst %/pyproject.toml,%,$(wildcard lib/pyproject.toml services/*/pyproject.toml operator/pyproject.toml \
	conferir/pyproject.toml painel/pyproject.toml client/pyproject.toml demo/pyproject.toml contracts/pyproject.toml local/pyproject.toml \
	bench/pyproject.toml))
SETTINGS := requirements/dev.txt $(PROJECTS:%=%/pyproject.toml) local/setup/python.sh
BIN := .venv/bin
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' lib/pyproject.toml)
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null || echo dev)
# The number of concurrent tests; most of them spend most of their time waiting.
WORKERS ?= 4
# Where tests keep their databases, up to 8 GB: in memory if 16 GB are free there, otherwise in the usual folder.
MEMORY = $(shell [ -w /dev/shm ] && { df -Pk /dev/shm | awk 'END {print $$4}'; awk '/MemAvailable/ {print $$2}' /proc/meminfo; } \
	| sort -n | awk 'NR == 1 && $$1 > 16000000 {print "/dev/shm"}')
# GOGC of the Go programs that tests start. Helm and kubectl end before collecting pays off; the default, 100, costs a fifth.
GO_GC_PERCENT := 400
TAG ?= $(REVISION)
LOCAL := $(BIN)/python -m local_system
# Drops the addresses of this machine's package sources, which would otherwise be written to the files.
COMPILE := env -u PIP_FIND_LINKS -u UV_FIND_LINKS ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header $(UPGRADE)

help: ## show this list
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

up: .venv/ready rabbitmq ## start everything, apply the samples, place a first order
	@$(LOCAL) up

observe: .venv/ready rabbitmq ## start everything as `make up` does, and Prometheus with the alert rules beside it
	@sh local/setup/prometheus.sh
	@OBSERVE=on $(LOCAL) up

down: .venv/ready ## stop everything; the data stays
	@$(LOCAL) down

status: .venv/ready ## show the state of each part
	@$(LOCAL) status

logs: .venv/ready ## follow the logs (PARTS="pedidos operator" for some)
	@$(LOCAL) logs $(PARTS)

dlq: .venv/ready ## show the dead letters (ARGS="replay estoque.pedidos" and others act on them)
	@$(LOCAL) dlq $(ARGS)

conferir: .venv/ready ## prove on the running system that nothing was oversold or lost (CONFERIR=--at-rest: and that nothing is in flight)
	@$(LOCAL) conferir $(CONFERIR)

token: .venv/ready ## print a token, for GATEWAY_JWT=on (CLIENTE=ana SCOPE="pedidos:admin estoque:ler" VALID=15m)
	@$(LOCAL) token --scope="$$SCOPE" --valid="$${VALID:-1h}" -- "$${CLIENTE:-cliente-1}"

demo: .venv/ready rabbitmq ## watch a flash sale while parts are killed (SEED=7 ARGS=--fast; GATEWAY=http://... for another system)
	@$(BIN)/python -m demo $(if $(SEED),--seed $(SEED)) $(if $(GATEWAY),--gateway $(GATEWAY)) $(ARGS)

clean: .venv/ready ## stop everything and remove all data
	@$(LOCAL) clean

test: lint rabbitmq ## check style, types and layers, then run all tests (WORKERS=0: one after another; PYTEST="-k lapsed": some)
	@sh bench/setup/wrk.sh || echo "therefore the bench is not tested"
	@sh local/setup/prometheus.sh || echo "therefore the alert rules are not tested"
	@sh local/setup/chromium.sh || echo "therefore the panel is not tested in a browser"
	@sh local/setup/mermaid.sh || echo "therefore the diagrams of the documentation are not tested"
	@PYTHONPATH=tests/support $(BIN)/python -m tools
	env -u PYTHONDONTWRITEBYTECODE GOGC=$(GO_GC_PERCENT) $(if $(MEMORY),PYTEST_DEBUG_TEMPROOT=$(MEMORY)) $(BIN)/pytest -n $(WORKERS) $(PYTEST)

e2e: .venv/ready ## run the system on a kind cluster and test it there (E2E=smoke, full, secured, demo, chaos, skaffold, cells, production)
	@PYTHONPATH=tests/support $(BIN)/python -m cluster docker kubectl helm $(if $(KUBECONFIG),,kind)
	@$(MAKE) --no-print-directory images
	TAG=$(TAG) $(BIN)/pytest tests/e2e -m "$(or $(E2E),smoke or full)" $(PYTEST)

simulate: .venv/ready ## simulate many histories (SEEDS=10000, MINUTES=60; SEED=n repeats one)
	$(if $(MEMORY),TMPDIR=$(MEMORY)) PYTHONPATH=tests/support $(BIN)/python -m simulator \
		$(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(MINUTES),--minutes $(MINUTES))

fuzz: rabbitmq ## fuzz the REST APIs and both queues (CASES=10000; SEED=2; FUZZ="--only amqp")
	PYTHONPATH=tests/support $(BIN)/python -m fuzz $(if $(CASES),--cases $(CASES)) $(if $(SEED),--seed $(SEED)) $(FUZZ)

bench: rabbitmq wrk ## benchmark against the baseline (SCENARIOS=e2e-hot-3 ROUNDS=2 SECONDS=10 for part of it)
	@$(BIN)/python -m bench measure $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(SCENARIOS),--scenarios $(SCENARIOS)) $(BENCH)

lint: .venv/ready ## check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: .venv/ready ## fix style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

images: ## build the images of the five programs (TAG: the revision by default)
	@for program in pedidos estoque operator conferir painel; do \
		docker build --build-arg PROGRAM=$$program --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
			--tag reservaestoque/$$program:$(TAG) . || exit 1; done

screenshots: rabbitmq ## retake the pictures of the panel in docs/images (six minutes)
	@sh local/setup/chromium.sh
	@PYTHONPATH=tests/support $(BIN)/python -m screenshots

pictures: rabbitmq ## redraw two dashboards in docs/images from a Prometheus beside a local system (three minutes)
	@sh local/setup/prometheus.sh
	@sh local/setup/chromium.sh
	@PYTHONPATH=tests/support $(BIN)/python -m dashboard_pictures

schema: .venv/ready ## write services/*/db/schema.sql from the migrations
	@$(BIN)/python tests/support/database_copies.py

migration: .venv/ready ## create a migration with the functions that changed (SERVICE=estoque NAME=cheaper_sweep)
	@$(BIN)/python tests/support/migration.py $(SERVICE) $(NAME)

contracts: .venv/ready ## regenerate contracts/ (AsyncAPI, JSON Schemas, OpenAPI) from the code
	@$(BIN)/python -m contracts

audit: .venv/ready ## check licences and known vulnerabilities of every pinned package (AUDIT=--offline: licences only)
	@PYTHONPATH=tests/support $(BIN)/python -m supply_chain audit $(AUDIT)

sbom: .venv/ready ## write an SBOM per image to dist/sbom (CycloneDX)
	@PYTHONPATH=tests/support $(BIN)/python -m supply_chain sbom dist/sbom --version $(or $(SBOM_VERSION),$(VERSION))

docs: .venv/ready ## build the documentation site into dist/docs
	@sh local/setup/mermaid.sh || echo "therefore the diagrams appear as text"
	@PYTHONPATH=tests/support $(BIN)/python -m docs_site

reference: .venv/ready ## regenerate docs/metrics.md, docs/logs.md and the Grafana dashboards from the code
	@PYTHONPATH=tests/support $(BIN)/python -m metric_reference
	@PYTHONPATH=tests/support $(BIN)/python -m log_reference
	@PYTHONPATH=tests/support $(BIN)/python -m dashboards

charts: .venv/ready ## regenerate the charts' schemas of settings, and their migration versions
	@$(BIN)/python tests/support/chart_values.py

requirements: .venv/ready ## recompile requirements/*.txt (UPGRADE=--upgrade for the newest versions)
	cd requirements && $(COMPILE) --override scalar.override --output-file dev.txt dev.in
	cd requirements && for name in build dbmate pedidos estoque operator conferir painel local bench client; do \
		$(COMPILE) --override scalar.override --constraint dev.txt --output-file $$name.txt $$name.in || exit 1; done
	cd requirements && $(COMPILE) --override barman.override --output-file barman.txt barman.in

.venv/ready: $(SETTINGS)
	@sh local/setup/python.sh $(PROJECTS)

# What is in .venv keeps absolute paths. In a checkout that was copied or moved, it would act on the original.
ifneq "$(shell cat .venv/ready 2>/dev/null)" "$(CURDIR)"
.PHONY: .venv/ready
endif

rabbitmq: .venv/ready
	@sh local/setup/rabbitmq.sh

wrk:
	@sh bench/setup/wrk.sh

.PHONY: $(shell sed -n 's/^\([a-z0-9]*\):.*/\1/p' $(MAKEFILE_LIST))
