# Thin: each target sets up what it needs and calls one thing.
SHELL := bash
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Where crates/lazaret/tests/sarif.rs looks too.
export LAZARET_TOOLS ?= $(CURDIR)/target/tools

.PHONY: demo test tools bench eval fuzz

# A registry, a dozen images, a hunt, the verdicts, the list of digests, the pages.
demo:
	@demo/run

# Everything CI runs.
test: tools
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked

# What the tests' real peers need.
tools:
	@tools/need cc=gcc busybox=busybox-static containerd=containerd ctr=containerd docker=docker.io dockerd=docker.io docker-registry=docker-registry skopeo=skopeo podman=podman runc=runc unshare=util-linux umoci=umoci python3=python3 zstd=zstd npm=npm curl=curl ip=iproute2 redis-cli=redis-tools minisign=minisign promtool=prometheus kubectl=kubernetes-client gzip=gzip
	@test -d $(LAZARET_TOOLS)/node_modules/@microsoft/sarif-multitool-linux || npm install --silent --no-audit --no-fund --prefix $(LAZARET_TOOLS) @microsoft/sarif-multitool @microsoft/sarif-multitool-linux
	@cmp -s tools/python.txt $(LAZARET_TOOLS)/python/installed.txt || tools/python $(LAZARET_TOOLS)/python
	@# npm unpacks the program so that only its owner, or nobody, may run it.
	@chmod a+rx $(LAZARET_TOOLS)/node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool

# The figures of SPECIFICATION.md.
bench:
	@bench/run

# False alarms over the benign part of the corpus, and the stand-ins.
eval:
	@corpus/images/eval

# A minute for each parser of outside bytes.
fuzz:
	@cd fuzz && for target in fuzz_targets/*.rs; do RUSTC_BOOTSTRAP=1 cargo fuzz run --features inspect,sandbox,gate $$(basename $$target .rs) -- -max_total_time=60 -timeout=10 -rss_limit_mb=1024 || exit 1; done
