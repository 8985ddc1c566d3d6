# One word for what one does often. CI runs .ci/run, which does lint, types and test from scratch.
.PHONY: help test lint types imports bench docs golden digits changelog

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

test: ## the whole suite
	python -m pytest -n auto -q

lint: ## ruff, and which room imports which
	ruff check .
	ruff format --check .
	lint-imports

types: ## mypy --strict
	mypy

bench: ## how fast the emulator is, as ratios to raw Unicorn in the same run
	python ci/bench/speed.py --json ci/bench/speed.json
	python ci/bench/interrupts.py --json ci/bench/interrupts.json

docs: ## the pages that tests write (docs/faults.md)
	python -m pytest -q tests/e2e/test_faults.py --emu-update

golden: ## accept today's cycles, instructions and memory as the golden ones
	python -m pytest -n auto -q --emu-update

digits: ## train the digits network again and write its C arrays
	python -m examples.digits.train

changelog: ## gather changelog.d/ into CHANGELOG.md (VERSION=0.2.0)
	towncrier build --yes --version $(VERSION)
