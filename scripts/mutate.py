#!/usr/bin/env python3
"""Breaks one rule of the code at a time and demands that a test notices.

usage: scripts/mutate.py [--list] [NAME...]      NAME: tests/mutations/NAME.json; default: all

A file of mutations:
  sources    what the tests are linked with: globs of .c files
  tests      names of tests/unit/NAME.c (or FOLDER/NAME, of tests/FOLDER), cheapest first; they run until one fails
  libraries  for the linker, as pkg-config names
  archives   libraries of the build (cmake --build build), for what the sources themselves need (may be absent)
  cflags, environment   more for the compiler; for the tests (both may be absent)
  mutations  rule (in words), file (one of the sources), find (occurs exactly once), replace; test (may be absent), which of the
             tests is known to notice: it runs first

MOLT_MUTATE_EVERY=n tries every n-th one of each file (`make test`; all in `make soak`); all must be found in the sources.

The tree itself is never changed: the mutated file is compiled under build/mutate in place of the
original. A mutation that does not compile, or whose text is not found exactly once, is an error.
"""
import concurrent.futures
import glob
import json
import os
import shlex
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CC = shlex.split(os.environ.get("CC", "gcc")) + ["-O1", "-w", "-std=c11"]
TEST_TIMEOUT_S = 120
EVERY = int(os.environ.get("MOLT_MUTATE_EVERY", "1"))


class Wrong(Exception):
    """A mutation file or a build that is itself broken."""


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise Wrong(f"{shlex.join(command)}\n{done.stderr}")
    return done.stdout


def test_source(test):
    return f"tests/{test}.c" if "/" in test else f"tests/unit/{test}.c"


class Subject:
    def __init__(self, path):
        with open(path) as file:
            self.spec = json.load(file)
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.folder = os.path.join(ROOT, "build", "mutate", self.name)
        os.makedirs(self.folder, exist_ok=True)
        self.sources = sorted({os.path.relpath(s, ROOT) for pattern in self.spec["sources"]
                               for s in glob.glob(os.path.join(ROOT, pattern))})
        libraries = self.spec.get("libraries", [])
        self.archives = [os.path.join(ROOT, name) for name in self.spec.get("archives", [])]
        self.cflags = ["-I" + os.path.join(ROOT, d) for d in ("include", "src", "tests/support")]
        self.cflags += [f'-DTEST_DATA="{ROOT}/tests"', *self.spec.get("cflags", [])]
        self.environment = {**os.environ, **self.spec.get("environment", {})}
        self.cflags += shlex.split(run(["pkg-config", "--cflags", *libraries])) if libraries else []
        self.ldflags = shlex.split(run(["pkg-config", "--libs", *libraries])) if libraries else []

    def object(self, source, output, text=None):
        """Compiles a source, or `text` in its place."""
        path = os.path.join(ROOT, source)
        if text is not None:
            path = output[:-2] + ".c"
            with open(path, "w") as file:
                file.write(text)
        here = os.path.dirname(os.path.join(ROOT, source))
        run(CC + self.cflags + ["-I" + here, "-c", path, "-o", output])
        return output

    def build(self):
        names = self.sources + [test_source(t) for t in self.spec["tests"]]
        self.objects = {s: os.path.join(self.folder, s.replace("/", "_")[:-2] + ".o") for s in names}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda s: self.object(s, self.objects[s]), names))

    def first_failing(self, replaced, suffix="", known=None):
        """Name of the first test that fails with these objects replaced, or None."""
        objects = {**self.objects, **replaced}
        for test in sorted(self.spec["tests"], key=lambda name: name != known):
            program = os.path.join(self.folder, os.path.basename(test) + suffix)
            parts = [objects[s] for s in self.sources] + [objects[test_source(test)]]
            run(CC + parts + self.archives + ["-o", program] + self.ldflags)
            try:
                done = subprocess.run([program], capture_output=True, timeout=TEST_TIMEOUT_S,
                                      env=self.environment, cwd=ROOT)
            except subprocess.TimeoutExpired:
                return test + " (does not end)"
            if done.returncode:
                return test
        return None

    def mutated(self, mutation):
        with open(os.path.join(ROOT, mutation["file"])) as file:
            text = file.read()
        if mutation["file"] not in self.sources:
            raise Wrong(f"{mutation['file']} is not among the sources")
        count = text.count(mutation["find"])
        if count != 1:
            raise Wrong(f"'{mutation['rule']}': the text is {count} times in {mutation['file']}")
        if mutation.get("test", self.spec["tests"][0]) not in self.spec["tests"]:
            raise Wrong(f"'{mutation['rule']}': {mutation['test']} is not among the tests")
        if mutation["find"] == mutation["replace"]:
            raise Wrong(f"'{mutation['rule']}': changes nothing")
        return text.replace(mutation["find"], mutation["replace"])

    def check(self):
        """Prints one row a mutation; returns how many nobody noticed."""
        texts = [self.mutated(m) for m in self.spec["mutations"]]  # errors before any work
        if not texts:
            raise Wrong("no mutations")
        self.build()
        failing = self.first_failing({})
        if failing:
            raise Wrong(f"{failing} fails without any mutation")
        missed = 0
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(self.try_one, range(0, len(texts), EVERY), texts[::EVERY])
            for mutation, (test, seconds) in zip(self.spec["mutations"][::EVERY], found):
                missed += test is None
                print(f"{self.name:10} {mutation['rule'][:68]:68} "
                      f"{test or 'NOBODY NOTICED':24} {seconds:5.1f} s", flush=True)
        return missed

    def try_one(self, index, text):
        """The test that notices this mutation, or None; and how long that took."""
        begin = time.monotonic()
        source = self.spec["mutations"][index]["file"]
        target = self.object(source, os.path.join(self.folder, f"mutated{index}.o"), text)
        test = self.first_failing({source: target}, f".{index}", self.spec["mutations"][index].get("test"))
        for name in os.listdir(self.folder):
            if name.endswith(f".{index}") or name.startswith(f"mutated{index}."):
                os.remove(os.path.join(self.folder, name))
        return test, time.monotonic() - begin


def main(arguments):
    known = sorted(glob.glob(os.path.join(ROOT, "tests", "mutations", "*.json")))
    names = [a for a in arguments if not a.startswith("-")]
    paths = [os.path.join(ROOT, "tests", "mutations", n + ".json") for n in names] or known
    try:
        subjects = [Subject(p) for p in paths]
        if "--list" in arguments:
            for subject in subjects:
                for mutation in subject.spec["mutations"]:
                    print(f"{subject.name:10} {mutation['rule']}")
            return 0
        if not subjects:
            raise Wrong("no mutation files in tests/mutations")
        missed = sum(subject.check() for subject in subjects)
    except (Wrong, OSError, ValueError, KeyError) as error:
        print(f"mutate.py: {error}", file=sys.stderr)
        return 2
    total = sum(len(s.spec["mutations"][::EVERY]) for s in subjects)
    print(f"{total} mutations, {missed} not noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
