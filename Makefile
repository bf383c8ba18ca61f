# The commands of the README. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
TRIPLE := x86_64-unknown-linux-gnu
# In a static binary a weak symbol stays empty unless the linker is told to fetch it: without this
# one, starting a tool copies the server's page tables. Randomness comes from the system call alone:
# the other way is to look the function up at run time, which a static binary cannot. Packed, the
# addresses to be set when it is loaded take a tenth of the room.
STATIC_FLAGS := -C target-feature=+crt-static \
  -C link-arg=-Wl,--undefined=posix_spawn_file_actions_addchdir_np \
  -C link-arg=-Wl,-z,pack-relative-relocs \
  --cfg getrandom_backend="linux_getrandom"
STATIC := RUSTFLAGS='$(STATIC_FLAGS)' $(CARGO) build --locked --release --target $(TRIPLE)

.PHONY: help demo demo-stop test quick release plugins plugins-check units vm bench soak

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t16

demo: ## Build everything, start the appliance on loopback and build one real image
	tests/scripts/setup demo
	$(STATIC)
	tests/scripts/demo start '$(TARGET)/$(TRIPLE)/release/img'

demo-stop: ## Stop the appliance that `make demo` started
	tests/scripts/demo stop

test: ## Everything CI runs
	tests/scripts/setup test
	tests/scripts/check

quick: ## Formatting, lints and unit tests only
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) test --locked --lib

release: ## One static binary for x86_64
	$(STATIC)
	tests/scripts/static '$(TARGET)/$(TRIPLE)/release/img'

plugins: ## Build the runners into plugins/dist
	tests/scripts/setup build
	$(CARGO) run --locked --manifest-path plugins/Cargo.toml -p xtask -- build

plugins-check: ## Build the runners again and compare them with plugins/dist
	$(CARGO) run --locked --manifest-path plugins/Cargo.toml -p xtask -- build --check

units: ## What systemd-analyze says of the unit files: well-formed, and how open they are
	tests/scripts/units

vm: ## Install in an emulated Debian and hold the running units to their claims (minutes)
	$(STATIC)
	tests/scripts/vm '$(TARGET)/$(TRIPLE)/release/img'

bench: ## The performance suite: table and target/bench.json; ONLY=prefix runs a part
	$(STATIC)
	IMG_BENCH_BINARY='$(TARGET)/$(TRIPLE)/release/img' IMG_BENCH_ONLY='$(ONLY)' \
	  IMG_BENCH_OUT='$(CURDIR)/target/bench.json' RUSTFLAGS='$(STATIC_FLAGS)' \
	  $(CARGO) bench --locked --target $(TRIPLE) --bench suite

soak: ## Long tests: 500 kills of the service, 500 of service or builder, 400 of a cleanup, a minute of swapped directories
	IMG_KILL_ROUNDS=500 $(CARGO) test --locked --test kills -- --nocapture
	IMG_CLEANUP_KILLS=400 IMG_RACE_SECONDS=60 $(CARGO) test --locked --test cleanup -- --nocapture
