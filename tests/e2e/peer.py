"""mp-image-tool-esp32, called in the test's process: starting it takes longer than its work."""
import contextlib
import io
import logging
import os

from mp_image_tool_esp32.main import main


def image_tool(folder, *words):
    """Its exit code, with `folder` as the current one."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            logging.disable(logging.CRITICAL)
            return main([str(word) for word in words] + ["-q"])
    finally:
        logging.disable(logging.NOTSET)
        os.chdir(before)
