# The front door. `make demo` and `make test` are all that a newcomer needs: each installs what it needs, builds, runs.
BUILD := build

.PHONY: all packages deps test demo check native soak bench man format clean

all: $(BUILD)/build.ninja
	@cmake --build $(BUILD) --target molt

packages:
	@scripts/packages.sh

deps:
	@scripts/deps.sh

$(BUILD)/build.ninja: | deps
	@cmake --preset default >$(BUILD)/cmake.log 2>&1 || { cat $(BUILD)/cmake.log; exit 1; }

# Everything that must hold before a change lands; under 15 minutes on 2 cores.
test: packages
	@scripts/test.sh

demo:
	@scripts/packages.sh build
	@scripts/deps.sh
	@$(MAKE) --no-print-directory all
	@scripts/native.sh --no-budget x64
	@scripts/micropython.sh
	@scripts/demo.sh

check:
	@scripts/check.sh

native: deps
	@scripts/native.sh
	@scripts/package.sh

soak: packages deps
	@scripts/soak.sh

bench: packages deps all
	@scripts/bench.sh

# build/man: molt.1 and a page for each verb.
man: $(BUILD)/build.ninja
	@cmake --build $(BUILD) --target man

format:
	@clang-format-14 -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf $(BUILD)
