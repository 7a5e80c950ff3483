#!/usr/bin/env python3
"""pypi-sdist.py NAME VERSION FILE SHA256 OUT: fetch one source distribution, checked.

`pip download` would build the package's metadata first (minutes, and its build tools); this takes only the file,
from the index that pip is configured for.
"""
import hashlib
import html
import os
import re
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request


def index_url():
    if os.environ.get("PIP_INDEX_URL"):
        return os.environ["PIP_INDEX_URL"]
    asked = subprocess.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"],
                           capture_output=True, text=True)
    if asked.returncode == 0 and asked.stdout.strip():
        return asked.stdout.strip()
    from pip._internal.models.index import PyPI  # the default that pip carries
    return PyPI.simple_url


def main():
    name, version, file, sha256, out = sys.argv[1:]
    cert = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    context = ssl.create_default_context(cafile=cert)
    base = index_url().rstrip("/") + "/" + name + "/"
    with urllib.request.urlopen(base, timeout=120, context=context) as answer:
        page = answer.read().decode()  # PEP 503: one anchor a file; every index serves this form
    for link in re.findall(r'href="([^"]+)"', page):
        link = html.unescape(link).split("#")[0]
        if link.rsplit("/", 1)[-1] == file:
            break
    else:
        sys.exit("%s %s: the index has no file %s" % (name, version, file))
    url = urllib.parse.urljoin(base, link)
    with urllib.request.urlopen(url, timeout=120, context=context) as answer:
        data = answer.read()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        sys.exit("%s: SHA-256 is %s, expected %s" % (file, found, sha256))
    with open(out + ".part", "wb") as f:
        f.write(data)
    os.replace(out + ".part", out)


main()
