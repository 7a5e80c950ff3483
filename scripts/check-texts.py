#!/usr/bin/env python3
"""check-texts.py ROOT: no path of a machine in any text, no C line over 100 columns, no tab in C, links of Markdown files exist."""
import os
import re
import sys

import tree

TEXT = (".c", ".h", ".py", ".sh", ".md", ".txt", ".json", ".cmake", "Makefile", "run", ".yml", ".mk")
# Written in pieces, so that this file passes its own check.
MACHINE = re.compile(r"(?<![\w\".$}*-])(?:" + "|".join((r"/wo" r"rk/[a-z.]", r"/ro" r"ot/", r"/ho" r"me/[a-z]", r"/Use" r"rs/[a-z]")) + ")|bash" r"_jobs")
LINK = re.compile(r"\]\(([^)\s]+)\)")
COLUMNS = 100


def anchors(text):
    found = set()
    for title in re.findall(r"^#+[ \t]+(.*)$", text, re.M):
        found.add(re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-"))
    return found


def check_links(root, name, text):
    bad = []
    fenceless = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    for link in LINK.findall(fenceless):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
        if not os.path.exists(os.path.join(root, target)):
            bad.append("%s: link to %s: no such file" % (name, link))
        elif anchor and target.endswith(".md") and anchor not in anchors(tree.read(root, target)):
            bad.append("%s: link to %s: no such heading" % (name, link))
    return bad


def main():
    root, bad, count = sys.argv[1], [], 0
    for name in tree.files(root, TEXT):
        text = tree.read(root, name)
        count += 1
        for number, line in enumerate(text.split("\n"), 1):
            if MACHINE.search(line):
                bad.append("%s:%d: a path of one machine: %s" % (name, number, line.strip()[:60]))
            if name.endswith((".c", ".h")):
                if len(line) > COLUMNS:
                    bad.append("%s:%d: %d columns, at most %d" % (name, number, len(line), COLUMNS))
                if "\t" in line:
                    bad.append("%s:%d: a tab" % (name, number))
        if name.endswith(".md"):
            bad += check_links(root, name, text)
    print("\n".join(bad) if bad else "%d files" % count)
    sys.exit(1 if bad else 0)


main()
