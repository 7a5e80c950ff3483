"""shorten-rv32.py IN.s OUT.s ASSEMBLER [OPTION...]: shorter calls in gcc's assembly of one C file for rv32imc.

gcc writes a call in 8 bytes and leaves it to the linker's relaxation to shorten it, which mpy_ld does not do. All functions lie in one
section within 1 MB, so `jal` (4 bytes) always reaches; `c.jal` and `c.j` (2 bytes) reach 2 KB. Here the functions are put into an
order that brings callers and callees together, and what is still too far away, but called from several places near each other, gets
one jump (a thunk) among them. The instructions of a function are left as they are.

The assembler is asked for all addresses. Shortening a call only brings the others nearer, so what is in reach once stays so.
"""
import os
import re
import struct
import subprocess
import sys
from collections import Counter

from elftools.elf.elffile import ELFFile

LOW, HIGH = -2048, 2046  # reach of c.jal and c.j
NEAR = 2000  # the same while the order is sought: addresses are estimates then
BRANCH = re.compile(r"\t(call|tail)\t(t0, ?)?([A-Za-z_][\w.]*)(?:@plt)?$")
TYPE = re.compile(r"\t\.type\t(\S+), @function")
LABEL = re.compile(r"([A-Za-z_][\w.]*):")


class Site:
    """One call (`ra`, `t0`) or jump (neither) from a function to another."""

    def __init__(self, block, line, link, target):
        self.block, self.line, self.link, self.target = block, line, link, target
        self.how = "far"  # near, thunk

    def text(self):
        if self.link == "t0":
            return "\tjal\tt0, " + self.target
        to = self.thunk if self.how == "thunk" else self.target
        if self.link == "ra":
            return "\t%s\t%s" % ("jal" if self.how == "far" else "c.jal", to)
        return "\tj\t" + to  # the assembler itself takes c.j where that reaches


class Assembly:
    def __init__(self, text, assemble, scratch):
        self.assemble, self.scratch = assemble, scratch
        self.rest, self.blocks, self.owner = [], {}, {}
        self.split(text.split("\n"))
        self.sites = []
        for name, lines in self.blocks.items():
            for i, line in enumerate(lines):
                match = BRANCH.match(line)
                if match and match.group(3) in self.owner:
                    op, link, target = match.groups()
                    link = "t0" if link else "ra" if op == "call" else None
                    self.sites.append(Site(name, i, link, target))
        self.thunks = {}  # name -> target

    def split(self, lines):
        """Functions, by name, and all that is outside of them."""
        name = None
        for line in lines:
            match = TYPE.match(line)
            if match:
                name = match.group(1)
                self.blocks[name] = []
                while self.rest and re.match(r"\t\.(align\t1|globl\t)", self.rest[-1]):
                    self.blocks[name].insert(0, self.rest.pop())
            (self.blocks[name] if name else self.rest).append(line)
            match = LABEL.match(line)
            if name and match:
                self.owner[match.group(1)] = name
            if name and line.startswith("\t.size\t%s," % name):
                name = None

    def text(self, order, marks):
        """marks: with labels that tell the addresses of functions and sites."""
        bodies = {name: list(lines) for name, lines in self.blocks.items()}
        for i, site in enumerate(self.sites):
            bodies[site.block][site.line] = ("site.%d:\n" % i if marks else "") + site.text()
        out = self.rest + ["\t.text"]
        for name in order:
            if marks:
                out += ["begin.%s:" % name]
            out += bodies[name] if name in bodies else ["%s:" % name, "\tj\t" + self.thunks[name]]
        return "\n".join(out + ["end.all:"] if marks else out) + "\n"

    def addresses(self, order):
        with open(self.scratch + ".s", "w") as f:
            f.write(self.text(order, True))
        subprocess.run(self.assemble + ["-c", "-o", self.scratch + ".o", self.scratch + ".s"], check=True)
        with open(self.scratch + ".o", "rb") as f:
            elf = ELFFile(f)
            symbols, names = (elf.get_section_by_name(name).data() for name in (".symtab", ".strtab"))
        return {names[at:names.index(b"\0", at)].decode(): value for at, value in struct.iter_unpack("<II8x", symbols)}

    def relax(self, order):
        """Every call as short as it can be in this order; the addresses."""
        for site in self.sites:
            site.how = "far"
        thunk_of = {target: [n for n, t in self.thunks.items() if t == target] for target in self.thunks.values()}
        for how in ("near", "thunk") if self.thunks else ("near",):
            changed = True
            while changed:
                at, changed = self.addresses(order), False
                for i, site in enumerate(self.sites):
                    if site.how != "far" or site.link == "t0":
                        continue
                    for to in [site.target] if how == "near" else thunk_of.get(site.target, []):
                        if LOW <= at[to] - at["site.%d" % i] <= HIGH:
                            site.how, site.thunk, changed = how, to, True
                            break
        return at


def reach(edges, size, order):
    """How many edges are short."""
    start, at = {}, 0
    for block in order:
        start[block] = at
        at += size[block]
    return sum(1 for a, i, b, j in edges if a in start and b in start and abs(start[a] + i - start[b] - j) <= NEAR)


def chained(edges, size):
    """Chains of blocks, joined where the most calls are for their size."""
    between = Counter((min(a, b), max(a, b)) for a, i, b, j in edges if a != b)
    chain, number = {b: [b] for b in size}, {b: b for b in size}
    while True:
        weight = Counter()
        for (a, b), n in between.items():
            a, b = number[a], number[b]
            if a != b:
                weight[min(a, b), max(a, b)] += n
        if not weight:
            return [b for c in sorted(chain) for b in chain[c]]
        room = {c: min(sum(size[b] for b in chain[c]), 2 * NEAR) for c in chain}
        a, b = max(sorted(weight), key=lambda ab: weight[ab] ** 2 / (room[ab[0]] + room[ab[1]]))
        x, y = chain[a], chain.pop(b)
        chain[a] = max((x + y, y + x, x + y[::-1], x[::-1] + y), key=lambda order: reach(edges, size, order))
        for block in y:
            number[block] = a


def improved(edges, size, order):
    """Each block tried elsewhere: at the place where most of its own edges are short."""
    own = {b: [e for e in edges if b in (e[0], e[2])] for b in size}
    best, before = reach(edges, size, order), -1
    while best > before:
        before = best
        for block in sorted(size, key=lambda b: (size[b], b)):
            here = order.index(block)
            others = order[:here] + order[here + 1:]
            start, at, edge = {}, 0, []
            for b in others:
                edge.append(at)
                start[b] = at
                at += size[b]
            edge.append(at)
            # From each edge of the block's own, the addresses at which it would be short.
            reached = [start[a] + i - j if b == block else start[b] + j - i for a, i, b, j in own[block]]
            short = [sum(1 for r in reached if abs(at - r) <= NEAR) for at in edge]
            place = max(range(len(edge)), key=lambda p: short[p])
            if short[place] > short[here]:
                new = others[:place] + [block] + others[place:]
                score = reach(edges, size, new)
                if score > best:
                    best, order = score, new
    return order


def in_order(assembly):
    names = list(assembly.blocks)
    at = assembly.relax(names)
    ends = [at["begin." + n] for n in names[1:]] + [at["end.all"]]
    size = {n: end - at["begin." + n] for n, end in zip(names, ends)}
    edges = []
    for i, site in enumerate(assembly.sites):
        to = assembly.owner[site.target]
        if site.link != "t0" and to != site.block:
            edges.append((site.block, at["site.%d" % i] - at["begin." + site.block], to, at[site.target] - at["begin." + to]))
    return improved(edges, size, chained(edges, size))


def add_thunks(assembly, order):
    """Where several far calls of one function lie within reach of one place."""
    at = assembly.relax(order)
    far = {}
    for i, site in enumerate(assembly.sites):
        if site.link != "t0" and not LOW <= at[site.target] - at["site.%d" % i] <= HIGH:
            far.setdefault(site.target, []).append(at["site.%d" % i])
    places = []
    for target, sites in sorted(far.items()):
        while sites:
            group = [s for s in sites if s - sites[0] <= 2 * NEAR - 200]
            sites = sites[len(group):]
            middle = (group[0] + group[-1]) // 2
            place = min(range(len(order)), key=lambda i: abs(at["begin." + order[i]] - middle))
            cost = 2 if abs(at["begin." + order[place]] - at[target]) <= NEAR else 4
            if 2 * len(group) > cost:
                places.append((place, target))
    for place, target in sorted(places, reverse=True):
        name = "thunk.%d" % len(assembly.thunks)
        assembly.thunks[name] = target
        order = order[:place] + [name] + order[place:]
    return order


def drop_idle_thunks(assembly, order):
    while True:
        at = assembly.relax(order)
        used = Counter(s.thunk for s in assembly.sites if s.how == "thunk")
        idle = {n for n, t in assembly.thunks.items() if 2 * used[n] <= (2 if LOW <= at[t] - at[n] <= HIGH else 4)}
        if not idle:
            return order
        order = [n for n in order if n not in idle]
        assembly.thunks = {n: t for n, t in assembly.thunks.items() if n not in idle}


def main():
    source, out, assemble = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(source) as f:
        assembly = Assembly(f.read(), assemble, out + ".trial")
    order = drop_idle_thunks(assembly, add_thunks(assembly, in_order(assembly)))
    at = assembly.addresses(order)
    for i, site in enumerate(assembly.sites):
        if site.link == "ra" and site.how != "far" and not LOW <= at[site.thunk] - at["site.%d" % i] <= HIGH:
            sys.exit("%s: %s out of reach" % (source, site.thunk))
    with open(out, "w") as f:
        f.write(assembly.text(order, False))
    for end in ".s", ".o":
        os.remove(out + ".trial" + end)


main()
