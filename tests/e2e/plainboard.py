"""A board without slots (tests/native/plain.py), as tests use it."""
import json
import os
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
PACKAGE, NATIVE = str(TOP / "ports/micropython"), str(TOP / "build/native")


class Board:
    """One block device with a file system; boots it again and again. The package is that of the tree, unless installed."""

    def __init__(self, folder, fs):
        self.folder, self.fs = folder, fs
        self.image = folder / "image"
        self.image.write_bytes(b"")
        self.options = {}  # of every boot
        self.interpreter = TOP / "build/micropython/micropython"
        assert os.access(self.interpreter, os.X_OK), "run scripts/micropython.sh"

    def __call__(self, script=None, check=0, path=(PACKAGE, NATIVE), timeout=120, **options):
        options = {"image": str(self.image), "fs": self.fs, "path": path, "script": script, **self.options, **options}
        (self.folder / "options").write_text(json.dumps(options))
        done = subprocess.run([self.interpreter, "-X", "heapsize=8m", TOP / "tests/native/plain.py", self.folder / "options"],
                              capture_output=True, text=True, timeout=timeout)
        assert done.returncode == check, (done.returncode, done.stdout, done.stderr)
        return done.stdout
