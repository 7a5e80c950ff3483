"""The checks of freestanding code and native modules: each is seen to fail."""
import os
import pathlib
import re
import shutil
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]


def run(*words, top=TOP, **env):
    return subprocess.run([top / words[0], *words[1:]], capture_output=True, text=True, timeout=280,
                          env={**os.environ, **env})


def text_of(done):
    return int(re.search(r"alone: text (\d+)", done.stdout).group(1))


def test_freestanding_samples_are_rejected():
    done = run("scripts/check-freestanding.sh", "--self-test")
    assert done.returncode == 0, done.stdout
    assert "self-test: 5 bad samples rejected" in done.stdout


def test_a_padded_module_is_over_its_budget(tmp_path):
    out = str(tmp_path)
    size = text_of(run("scripts/native.sh", "--no-budget", "rv32imc", MOLT_NATIVE_OUT=out))
    budget = str(size + 64)
    assert run("scripts/native.sh", "rv32imc", MOLT_NATIVE_OUT=out, MOLT_NATIVE_TEXT_MAX=budget).returncode == 0
    padded = run("scripts/native.sh", "rv32imc", MOLT_NATIVE_OUT=out, MOLT_NATIVE_TEXT_MAX=budget,
                 MOLT_NATIVE_EXTRA="tests/native/padding.c", MOLT_NATIVE_MODULE_MAX="99999")
    assert padded.returncode == 1
    assert "rv32imc is over its budget" in padded.stderr
    assert text_of(padded) >= size + 4096


def test_a_loop_instruction_is_refused_on_xtensa(tmp_path):
    done = run("scripts/native.sh", "--no-budget", "xtensawin", MOLT_NATIVE_OUT=str(tmp_path),
               MOLT_NATIVE_EXTRA="tests/native/loop.c")
    assert done.returncode != 0
    assert "outside of the common core" in done.stderr


def test_modules_are_the_same_from_another_directory(tmp_path):
    for name in ("src", "include", "ports", "scripts"):
        shutil.copytree(TOP / name, tmp_path / name)
    (tmp_path / "build").mkdir()
    for name in ("deps", "native-tools"):
        (tmp_path / "build" / name).symlink_to(TOP / "build" / name)
    arches = ("rv32imc", "xtensawin")
    here = run("scripts/native.sh", "--no-budget", *arches, MOLT_NATIVE_OUT=str(tmp_path / "here"))
    there = run("scripts/native.sh", "--no-budget", *arches, top=tmp_path)
    assert here.returncode == 0 and there.returncode == 0, here.stderr + there.stderr
    for arch in arches:
        name = "molt_%s.mpy" % arch
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "build/native" / name).read_bytes(), name
