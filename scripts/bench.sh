#!/bin/bash
# bench.sh: `make bench`. Ratios of one run, against the peer or the bound; the numbers in the documents come from here.
set -eu
cd "$(dirname "$0")/.."
scripts/venv.sh >/dev/null
cmake --build build --target molt bench_install
firmware=build/deps/firmware/ESP32_GENERIC-20240602-v1.23.0.bin
echo '== install time on the timed simulator'
build/bench_install "$firmware"
echo '== edit against mp-image-tool-esp32'
build/venv/bin/python bench/edit.py
echo '== info against sha256sum'
build/venv/bin/python bench/info.py
echo '== fs build against littlefs-python'
build/venv/bin/python bench/fs.py
echo '== memory against the size of the image'
build/venv/bin/python bench/memory.py || missed=1
echo '== update inside the device against micropython-esp32-ota'
scripts/native.sh --no-budget x64 >/dev/null
scripts/package.sh x64 >/dev/null
scripts/micropython.sh >/dev/null
build/venv/bin/python bench/device.py
echo '== a firmware over USB DFU against dfu-util and pydfu.py'
cmake --build build --target dfu_device
build/venv/bin/python bench/dfu.py || missed=1
exit "${missed:-0}"
