#!/usr/bin/env python3
"""check-lengths.py ROOT: no C function over 100 lines, no C file over 700 (the aim is 60 and 600).

A scanner, not a parser: comments, literals and preprocessor lines are blanked, then braces are counted. A function is a brace at the top
level (or inside extern "C") whose text since the last ';' or '}' ends with ')', or has a parameter list and no '='.
"""
import re
import sys

import tree

FUNCTION_MAX, FILE_MAX, FILE_AIM = 100, 700, 600

BLANK = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^[ \t]*#(?:[^\n\\]|\\.|\\\n)*', re.S | re.M)


def keep_lines(match):
    text = match.group(0)
    if text == '"C"':
        return text
    return "".join("\n" if c == "\n" else " " for c in text)


def functions(text):
    """(name, first line, last line) of each function."""
    text = BLANK.sub(keep_lines, text)
    depth, top, start = 0, 0, 0  # top: depth of the enclosing extern "C" blocks
    opened = None
    for at, c in enumerate(text):
        if c == "{":
            head = text[start:at].strip()
            if depth == top and re.search(r'extern\s+"C"$', head):
                depth, top, start = depth + 1, top + 1, at + 1
                continue
            if depth == top and opened is None and "(" in head and "=" not in head:
                opened = (re.search(r"([A-Za-z_]\w*)\s*\(", head), at - len(text[start:at].lstrip()))
            depth += 1
        elif c == "}":
            depth -= 1
            if depth < top:
                top = depth
            if depth == top:
                if opened is not None:
                    name = opened[0].group(1) if opened[0] else "?"
                    yield name, text.count("\n", 0, opened[1]) + 1, text.count("\n", 0, at) + 1
                    opened = None
                start = at + 1
        elif c == ";" and depth == top:
            start = at + 1
    if depth != 0:
        yield "unbalanced braces", 1, FUNCTION_MAX + 1


def main():
    root, bad, count, longest = sys.argv[1], 0, 0, (0, "")
    for name in tree.files(root, (".c", ".h")):
        text = tree.read(root, name)
        lines = text.count("\n")
        if lines > FILE_MAX:
            print("%s: %d lines, at most %d: split it" % (name, lines, FILE_MAX))
            bad += 1
        elif lines > FILE_AIM:
            print("note: %s has %d lines, the aim is %d" % (name, lines, FILE_AIM))
        for function, first, last in functions(text):
            count += 1
            longest = max(longest, (last - first + 1, function))
            if last - first + 1 > FUNCTION_MAX:
                print("%s:%d: %s has %d lines, at most %d" % (name, first, function, last - first + 1, FUNCTION_MAX))
                bad += 1
    if count == 0:
        print("no function found in %s" % root)
        bad += 1
    print("%d functions, the longest: %s with %d lines" % (count, longest[1], longest[0]))
    sys.exit(1 if bad else 0)


main()
