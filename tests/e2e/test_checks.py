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


def test_a_padded_engine_is_over_its_budget(tmp_path):
    out = str(tmp_path)
    within = run("scripts/native.sh", "alone", MOLT_NATIVE_OUT=out)
    assert within.returncode == 0, within.stderr
    size = text_of(within)
    padded = run("scripts/native.sh", "alone", MOLT_NATIVE_OUT=out, MOLT_NATIVE_TEXT_MAX=str(size), MOLT_NATIVE_EXTRA="tests/native/padding.c")
    assert padded.returncode == 1
    assert "alone is over its budget: engine and core at most %d" % size in padded.stderr
    assert text_of(padded) >= size + 4096


def test_a_module_over_its_budget_is_told(tmp_path):
    done = run("scripts/native.sh", "armv6m", MOLT_NATIVE_OUT=str(tmp_path), MOLT_NATIVE_MODULE_MAX="20000")
    assert done.returncode == 1 and "armv6m is over its budget" in done.stderr


def test_a_loop_instruction_is_refused_on_xtensa(tmp_path):
    done = run("scripts/native.sh", "--no-budget", "xtensawin", MOLT_NATIVE_OUT=str(tmp_path),
               MOLT_NATIVE_EXTRA="tests/native/loop.c")
    assert done.returncode != 0
    assert "outside of the common core: loop" in done.stderr


FOREIGN = {
    "loop": "76 82 00", "mula.aa.ll": "34 02 78", "umul.aa.ll": "34 02 70", "ldinc": "04 00 80", "rsr.acclo": "20 10 03",
    "wsr.acclo": "00 10 13", "add.s": "00 00 0a", "lsi": "03 00 00", "s32c1i": "32 e2 00", "bf": "76 02 00", "bt": "76 12 00",
    "movt": "30 12 d3", "andb": "30 12 02", "excw": "20 82 72", ".byte": "0f",
}


def test_instructions_that_not_all_chips_have_are_refused(tmp_path):
    def check(code):
        (tmp_path / "code.s").write_text("f:\n\tentry a1, 32\n%s\tretw.n\n\t.align 4\ng:\n\tentry a1, 16\n\tretw.n\n" % code)
        subprocess.run([TOP / "build/native-tools/bin/xtensa-esp32-elf-as", "-o", tmp_path / "code.o", tmp_path / "code.s"], check=True)
        return run("scripts/native/check-xtensa.sh", TOP / "build/native-tools", tmp_path / "code.o")

    assert check("").returncode == 0
    assert check("\tmuluh a2, a3, a4\n\tquou a2, a3, a4\n\tminu a2, a2, a3\n\tnsau a2, a2\n").returncode == 0
    for name, code in FOREIGN.items():
        done = check("".join("\t.byte 0x%s\n" % byte for byte in code.split()))
        assert done.returncode == 1 and done.stderr.split(":")[1].split()[0] == name, (name, done.stderr)
    (tmp_path / "empty.s").write_text("")
    subprocess.run([TOP / "build/native-tools/bin/xtensa-esp32-elf-as", "-o", tmp_path / "empty.o", tmp_path / "empty.s"], check=True)
    assert "no code" in run("scripts/native/check-xtensa.sh", TOP / "build/native-tools", tmp_path / "empty.o").stderr


def test_modules_are_the_same_from_another_directory(tmp_path):
    for name in ("src", "include", "ports", "scripts"):
        shutil.copytree(TOP / name, tmp_path / name)
    (tmp_path / "build").mkdir()
    for name in ("deps", "native-tools"):
        (tmp_path / "build" / name).symlink_to(TOP / "build" / name)
    arches = ("rv32imc", "xtensawin")  # those with steps of their own behind the compiler
    there = run("scripts/native.sh", "--no-budget", *arches, top=tmp_path)
    assert there.returncode == 0, there.stderr
    for arch in arches:
        for name in ("molt_%s.c" % arch, "molt_%s.mpy" % arch):  # the source first: another one means that build/native is old
            here = (TOP / "build/native" / name).read_bytes()
            assert here == (tmp_path / "build/native" / name).read_bytes(), name + ": run scripts/native.sh"
