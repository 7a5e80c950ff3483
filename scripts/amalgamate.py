#!/usr/bin/env python3
"""amalgamate.py OUT [--own] -I DIR... FILE.c...: one C file out of many, for a native module (one translation unit is all that mpy_ld links
right).

Everything gets internal linkage, so that the compiler drops what nobody calls. Includes with quotes are resolved, once each, where
they are found below the DIRs; all others stay. Names that are local to one file (static functions and objects, enumerators, macros,
tags) and known in another one too get the file's name in front. With --own all local functions and objects do, as a port's headers may
declare anything (write of unistd.h). Comments go, but for those of foreign files (p256_static.h).

It knows this project's formatting (clang-format: definitions begin in column 0), not C: the compiler judges the result.
"""
import os
import re
import sys

TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
INCLUDE = re.compile(r'^#[ \t]*include[ \t]*"([^"]+)"[^\n]*$', re.M)
SYSTEM = re.compile(r"^#[ \t]*include[ \t]*<([^>]+)>[^\n]*\n", re.M)
CPLUSPLUS = re.compile(r"^#ifdef __cplusplus\n.*?^#endif[^\n]*\n", re.M | re.S)
# A function's declaration or definition, or an object's definition, without storage class.
# But for mpy_init, which the loader calls, a user C module and its registration, and molt_roots, which nobody calls (engine_roots.c).
TOP_LEVEL = re.compile(r"^(?!mp_obj_t mpy_init|const mp_obj_module_t\b|MP_REGISTER_MODULE\b|(?:int|const void \*const) molt_roots|static\b|typedef\b|extern\b|return\b|else\b)(?=[A-Za-z_][^\n]*(\(|= ?\{|= ?[\w-]+;))", re.M)
FOREIGN = "p256_static.h"


def strip_comments(text):
    def keep(match):
        token = match.group(0)
        return token if token[0] in "\"'" else "\n" if token.startswith("//") else " "
    return re.sub(r"[ \t]+\n", "\n", TOKENS.sub(keep, text))


class Amalgam:
    def __init__(self, folders, own):
        self.folders, self.own, self.seen, self.system = folders, own, set(), []

    def find(self, name, beside):
        for folder in [beside] + self.folders:
            path = os.path.join(folder, name)
            if os.path.exists(path):
                return path
        return None

    def read(self, path):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        if os.path.basename(path) == FOREIGN:
            return text
        text = CPLUSPLUS.sub("", strip_comments(text))
        text = rename(text, self.own.get(path), os.path.basename(path)[:-2])
        text = re.sub(r"^extern (?!const void \*const molt_roots)", "static ", text, flags=re.M)
        return TOP_LEVEL.sub("static ", text)

    def expand(self, path):
        """The text with its own includes in their place; a header that was there already is left out."""
        text = self.read(path)

        def replace(match):
            found = self.find(match.group(1), os.path.dirname(path))
            if found is None:
                return match.group(0)
            real = os.path.realpath(found)
            if real in self.seen:
                return ""
            self.seen.add(real)
            return self.expand(found)

        def system(match):
            if match.group(1) not in self.system:
                self.system.append(match.group(1))
            return ""

        return SYSTEM.sub(system, INCLUDE.sub(replace, text))


def local_names(text):
    """Names that a file keeps to itself. Quite right for functions and objects; macros and enumerators of headers it includes are
    found too, which does no harm: they are the same everywhere and are taken out again by the caller."""
    names = set(re.findall(r"^static[^\n(=;]*?\b(\w+)\s*(?:\(|\[|=|;)", text, re.M))
    names |= set(re.findall(r"^#[ \t]*define[ \t]+(\w+)", text, re.M))
    for body in re.findall(r"^enum\s*\w*\s*\{([^}]*)\}", text, re.M):
        names |= set(re.findall(r"(?:^|,)\s*(\w+)", body))
    names |= set(re.findall(r"^(?:struct|union|enum)\s+(\w+)\s*\{", text, re.M))
    return names


def own_names(text):
    return {n for n in re.findall(r"^static[^\n(=;]*?\b(\w+)\s*(?:\(|\[|=|;)", text, re.M) if not n.isupper()}


def rename(text, names, prefix):
    if not names:
        return text
    word = re.compile(r"(?<![\w.])(?<!->)(%s)\b" % "|".join(sorted(names)))
    out, at = [], 0
    for token in TOKENS.finditer(text):  # nothing inside strings
        out += [word.sub(prefix + r"_\1", text[at:token.start()]), token.group(0)]
        at = token.end()
    return "".join(out) + word.sub(prefix + r"_\1", text[at:])


def main():
    out, folders, files = sys.argv[1], [], []
    words = iter(w for w in sys.argv[2:] if w != "--own")
    for w in words:
        if w == "-I":
            folders.append(next(words))
        else:
            files.append(w)
    bodies, owners, own = {}, {}, {}
    scout = Amalgam(folders, {})
    for path in files:
        scout.expand(path)
    foreign = "".join(open(path, encoding="utf-8").read() for path in sorted(scout.seen) if path.endswith(FOREIGN))
    for path in files + sorted(scout.seen):
        text = strip_comments(open(path, encoding="utf-8").read())
        if "--own" in sys.argv and path in files:
            own[path] = {name for name in own_names(text) if name not in foreign}
        for name in local_names(text) - own.get(path, set()):
            owners.setdefault(name, []).append(path)
    amalgam = Amalgam(folders, own)
    for path in files:
        text = amalgam.expand(path)
        mine = {n for n, paths in owners.items() if len(paths) > 1 and path in paths}
        bodies[path] = rename(text, mine, os.path.basename(path)[:-2])
    with open(out + ".new", "w", encoding="utf-8") as f:
        f.write("/* Made by scripts/amalgamate.py out of: %s. */\n" % ", ".join(os.path.basename(p) for p in files))
        # What everything being static brings, and the comments being gone.
        for warning in "unused-function", "unused-variable", "implicit-fallthrough":
            f.write('#pragma GCC diagnostic ignored "-W%s"\n' % warning)
        # MicroPython's header last: it may redefine what the others name.
        for name in sorted(amalgam.system):
            f.write("#include <%s>\n" % name)
        for path in files:
            f.write("\n/* ---- %s ---- */\n" % os.path.basename(path))
            f.write(re.sub(r"\n{3,}", "\n\n", bodies[path]))
    os.replace(out + ".new", out)


main()
