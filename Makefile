# `make help` lists the targets. Two environments: .venv-demo holds what a user installs (core
# only), .venv everything for development.

PYTHON ?= python3
OUT ?= out
VENV := .venv
DEMO := .venv-demo
SOURCES := $(shell find rust python -name '*.rs' -o -name '*.toml' -o -name '*.pyi' -o -name '*.safetensors') Cargo.toml Cargo.lock pyproject.toml
CATEGORIES ?= blister board brushed_metal cap fabric gear leather mesh wood

.PHONY: help demo train test test-fast test-arm asan lint format docs coverage wheel-check bench bench-instructions bench-peers bench-mvtec bench-visa clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z -]+:.*## /{printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(DEMO)/.installed: $(SOURCES) $(shell find python -name '*.py')
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/pip install --quiet --force-reinstall --no-deps .
	$(DEMO)/bin/pip install --quiet .
	touch $@

demo: $(DEMO)/.installed ## core install; benchmark and detection on synthetic images
	$(DEMO)/bin/pyimgano synth $(OUT)/demo/data --category $(CATEGORIES) --overwrite
	$(DEMO)/bin/pyimgano-benchmark --dataset synthetic --root $(OUT)/demo/data \
		--category $(CATEGORIES) --backbone embedded --output $(OUT)/demo/benchmark
	$(DEMO)/bin/pyimgano detect --normal $(OUT)/demo/data/brushed_metal/train/good \
		--test $(OUT)/demo/data/brushed_metal/test --output $(OUT)/demo/detect
	$(DEMO)/bin/python docs/picture.py $(OUT)/demo/benchmark $(OUT)/demo/picture.png \
		board gear brushed_metal fabric

$(VENV)/.installed: $(SOURCES)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade "pip>=25.1"
	$(VENV)/bin/pip install --quiet --no-compile --group dev --editable ".[all]"
	touch $@

train: $(VENV)/.installed ## distil a network: TEACHER=weights file [TEXTURES=folder] [PICTURES=folder] [WORKERS=2] [DEVICE=cuda]
	@test -n "$(TEACHER)" || { echo "give the teacher's weights: make $@ TEACHER=resnet18.pth"; exit 2; }
	test -e $(OUT)/training/store/pictures.json || $(VENV)/bin/python -m training prepare \
		--store $(OUT)/training/store $(if $(TEXTURES),--textures $(TEXTURES)) $(if $(PICTURES),--pictures $(PICTURES))
	nice $(VENV)/bin/python -m training run --store $(OUT)/training/store --run $(OUT)/training/run \
		--teacher $(TEACHER) --workers $(or $(WORKERS),2) --device $(or $(DEVICE),cpu)

# OpenMP's threads wait for each other by spinning: with more of them than cores that takes many times as long.
test: export OMP_NUM_THREADS := 1

test: $(VENV)/.installed ## every test, with all extras, on all cores
	cargo test --quiet --workspace
	$(VENV)/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --durations 25

test-fast: $(VENV)/.installed ## the tests that take seconds
	$(VENV)/bin/python -m pytest -m "not slow"

test-arm: ## the Rust tests on 64-bit ARM: here if this is one, else cross-compiled and emulated
	bash .ci/test-arm

# The runtime comes with the stable toolchain; only the flag waits for a newer one.
asan: ## the Rust tests and fuzz test under AddressSanitizer
	ASAN_OPTIONS=allocator_may_return_null=1 RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test --package pyimgano-core --lib --tests \
		--target x86_64-unknown-linux-gnu --target-dir target/asan

lint: $(VENV)/.installed ## formatting, linters, types, stubs
	cargo fmt --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m mypy.stubtest pyimgano._rust

format: $(VENV)/.installed ## format everything
	cargo fmt
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix --quiet .

docs: $(VENV)/.installed ## the pages and the API reference, into out/docs; warnings are errors
	$(VENV)/bin/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going --conf-dir docs . $(OUT)/docs

coverage: $(VENV)/.installed ## the share of the package's lines that the fast tests run
	$(VENV)/bin/python -m pytest -m "not slow" --cov=pyimgano --cov-report=term:skip-covered

wheel-check: $(VENV)/.installed ## wheel and sdist, each installed and run where there is no Rust
	PYTHON=$(VENV)/bin/python MATURIN=$(VENV)/bin/maturin bash .ci/wheel-check

bench-peers: $(VENV)/.bench ## side-by-side runs against other packages, into benches/RESULTS.md
	$(VENV)/bin/python benches/peers/results.py $(if $(ROOT),--root $(ROOT)) $(if $(WEIGHTS),--weights $(WEIGHTS))

bench-mvtec bench-visa: bench-%: $(VENV)/.installed ## the full table of a benchmark set: ROOT=folder
	@test -n "$(ROOT)" || { echo "give the folder of the set: make $@ ROOT=..."; exit 2; }
	$(VENV)/bin/pyimgano-benchmark --dataset $* --root $(ROOT) --category all \
		--model patchcore:wide_resnet50_2 patchcore:embedded \
		$(if $(WEIGHTS),--weights $(WEIGHTS)) --output $(OUT)/bench-$*

$(VENV)/.bench: $(VENV)/.installed
	$(VENV)/bin/pip install --quiet --group bench
	touch $@

bench: ## criterion benchmarks of the kernels
	cargo bench --package pyimgano-core

# valgrind knows AVX2 but not AVX-512. The counts depend on the compiler, not on the machine's mood.
bench-instructions: ## instructions of each kernel (AVX2, one thread; needs valgrind)
	cargo build --quiet --release --package pyimgano-core --example instructions
	@for kernel in coreset index query metrics labels filter network; do \
		for times in 0 1; do \
			PYIMGANO_SIMD=avx2 valgrind --tool=callgrind --callgrind-out-file=/dev/null \
				target/release/examples/instructions $$kernel $$times 2>&1 | awk '/Collected/ {print $$4}'; \
		done | awk -v kernel=$$kernel '{count[NR] = $$1} END {printf "%-8s %12.1f million\n", kernel, (count[2] - count[1]) / 1e6}'; \
	done

clean: ## remove what the targets made
	rm -rf $(VENV) $(DEMO) $(OUT) target dist
