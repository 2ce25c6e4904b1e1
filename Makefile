# The commands of the README. Everything lives in .venv, build/ and .demo/ of this folder.
PYTHON ?= python3
TEST_PROCESSES ?= 3
BIN := .venv/bin
SOURCES := contracts runtime local demo services tests benchmarks faults watch tools
.DEFAULT_GOAL := help
# Tests and demo start hundreds of processes. Where the environment forbids bytecode beside the sources, each would compile all
# that it imports anew (1.7 s of CPU instead of 0.5 s for a service): there it is kept apart.
ifdef PYTHONDONTWRITEBYTECODE
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/bytecode
endif

.PHONY: help setup demo clean-demo screenshots check test test-jitter helm check-image check-cluster bench bench-desk bench-sizing bench-webhooks faults check-alerts check-api check-erasure check-keycloak format lock generate clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## The virtual environment with locked dependencies
	@$(PYTHON) tools/setup_env.py

demo: setup ## A small company with real Kafka, MongoDB and mail, on this machine
	@$(BIN)/postroom demo $(DEMO_ARGS)

clean-demo: ## Throw away what the demo kept
	rm -rf .demo

screenshots: setup ## The pictures of the docs, from a demo that runs beside
	$(BIN)/python tools/screenshots.py

check: setup ## Format, lint, types, import rules, contracts
	$(BIN)/ruff format --check $(wildcard $(SOURCES))
	$(BIN)/ruff check $(wildcard $(SOURCES))
	$(BIN)/mypy $(wildcard $(SOURCES))
	$(BIN)/lint-imports
	$(BIN)/python -m postroom_contracts.generate --check
	$(BIN)/python -m watch.generate --check
	$(BIN)/python -m tools.chart_files --check

helm: ## The Helm that tests of the chart use, built by Go where there is none
	@$(PYTHON) tools/helm.py

check-image: setup ## Build the images and run the services from them, without Docker (root, buildah, mmdebstrap, bubblewrap)
	$(BIN)/python -m tools.check_image

check-cluster: setup helm ## Apply all that the chart makes to a real kube-apiserver, without a cluster (Go, etcd, kubectl)
	$(BIN)/python -m tools.check_cluster

test: setup ## All tests, on real Kafka, MongoDB and mail
	$(BIN)/pytest -n $(TEST_PROCESSES) $(TEST_ARGS)

test-jitter: setup ## Tests whose answers come late and whose processes stand still, to make races show (JITTER_SEED, TEST_ARGS)
	$(BIN)/python -m pytest -p tests.jitter -n $(TEST_PROCESSES) $(or $(TEST_ARGS),tests/integration tests/e2e)

bench: setup ## Throughput and latency beside the raw floor (at most 30 minutes)
	$(BIN)/python -m benchmarks.bench

bench-desk: setup ## The desk over a million messages, 200 consoles, a killed replica (some 10 minutes, 5 GB for its time)
	$(BIN)/python -m benchmarks.desk

bench-sizing: setup ## What one replica of each service carries; SIZING_ARGS=--write puts it into the docs (at most 5 minutes)
	$(BIN)/python -m benchmarks.sizing $(SIZING_ARGS)

bench-webhooks: setup ## A thousand receivers, 70 of them bad: what that makes of the others (at most 5 minutes)
	$(BIN)/python -m benchmarks.webhooks

faults: setup ## Kill everything for four minutes and count (BREAK=name runs a broken build)
	$(BIN)/python -m faults.run $(if $(BREAK),--break $(BREAK))

check-api: setup ## Thousands of generated requests against the API's own OpenAPI document (three minutes)
	$(BIN)/python -m tests.api_check

check-keycloak: setup ## Single sign-on against a real Keycloak, by Chromium (176 MB once; two minutes; Java 17)
	$(BIN)/python tools/check_keycloak.py

check-erasure: setup ## Erase a person and wait until every topic has forgotten them, too (a retention of a minute; some three minutes)
	POSTROOM_ERASURE_RETENTION=1 $(BIN)/pytest tests/e2e/test_erasure.py -q -s

.PHONY: check-disaster
check-disaster: setup ## Lose MongoDB, Kafka and both, and bring the house back by the commands of the docs (some five minutes)
	$(BIN)/python -m faults.disaster $(CHECK_ARGS)

.PHONY: check-upgrade
check-upgrade: setup ## An earlier release's services (UPGRADE_FROM=tag), replaced one by one under load, and every mail counted (some five minutes; BREAK=name)
	$(BIN)/python -m faults.upgrade $(if $(BREAK),--break $(BREAK)) $(CHECK_ARGS)

check-alerts: setup ## Provoke each cause in the real house, see each alert fire and resolve (about ten minutes)
	$(BIN)/python -m watch.run $(CHECK_ARGS)

format: setup ## Format and mend what can be mended
	$(BIN)/ruff check --fix-only -q $(wildcard $(SOURCES))
	$(BIN)/ruff format -q $(wildcard $(SOURCES))

generate: setup ## Schemas, examples, the AsyncAPI document, rules and dashboards from watch/, and what the chart takes of it all
	$(BIN)/python -m postroom_contracts.generate
	$(BIN)/python -m watch.generate
	$(BIN)/python -m tools.chart_files

lock: setup ## Compile requirements.in into requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes requirements.in -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes -c requirements.lock requirements-image.in -o requirements-image.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes requirements-sbom.in -o requirements-sbom.txt

clean: ## Remove what was built
	rm -rf build .mypy_cache .ruff_cache .pytest_cache
