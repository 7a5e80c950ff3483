"""mp-image-tool-esp32, called in the test's process: starting it takes longer than its work.

It takes every name that begins with /dev/ for a serial port, so files are named from the folder where they are: tests run in /dev/shm.
"""
import contextlib
import io
import logging
import os

from mp_image_tool_esp32.main import main


def named_from(folder, words):
    return [os.path.relpath(word, folder) if os.path.isabs(word) else word for word in map(str, words)]


def image_tool(folder, *words):
    """Its exit code, with `folder` as the current one."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            logging.disable(logging.CRITICAL)
            return main(named_from(folder, words) + ["-q"])
    except SystemExit as end:
        return end.code
    finally:
        logging.disable(logging.NOTSET)
        os.chdir(before)
