#!/usr/bin/env python3
"""inline-constants.py OUT FILE.py...: a package's modules with their constants in place: each whole number that a module gives once, at
its top level, to a name in capitals (SPARE = 4096; A, B = 1, 2), where that name, or MODULE.NAME elsewhere in the package, is read.
MicroPython looks names up at run time and keeps them in its heap; so a device saves flash and heap for them.

Left alone: what is public (the modules whose name does not begin with "_"), and what is used in a way that this does not follow.
"""
import ast
import pathlib
import sys


def number(node):
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if type(value) is int else None


def pairs(statement):
    """(name, value) of an assignment that is made of nothing else; else none."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return []
    target, value = statement.targets[0], statement.value
    both = [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        both = list(zip(target.elts, value.elts))
    found = [(name.id, number(value)) for name, value in both if isinstance(name, ast.Name) and name.id.isupper()]
    return found if len(found) == len(both) and all(value is not None for _, value in found) else []


def constants_of(tree):
    stored, odd = [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            stored.append(node.id)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            odd.update(node.names)
        elif isinstance(node, ast.arg):
            odd.add(node.arg)
    found = dict(pair for statement in tree.body for pair in pairs(statement))
    return {name: value for name, value in found.items() if stored.count(name) == 1 and name not in odd}


class Inline(ast.NodeTransformer):
    def __init__(self, module, constants):
        self.constants, self.own = constants, constants.get(module, {})

    def visit_Name(self, node):
        return literal(self.own[node.id]) if isinstance(node.ctx, ast.Load) and node.id in self.own else node

    def visit_Attribute(self, node):
        self.generic_visit(node)
        found = self.constants.get(node.value.id, {}) if isinstance(node.value, ast.Name) else {}
        return literal(found[node.attr]) if isinstance(node.ctx, ast.Load) and node.attr in found else node


def literal(value):
    return ast.UnaryOp(ast.USub(), ast.Constant(-value)) if value < 0 else ast.Constant(value)


def other_uses(trees):
    """Names that are still reached in another way: attributes of something else, imports, strings."""
    found = set()
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.ImportFrom):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def main():
    out, files = pathlib.Path(sys.argv[1]), [pathlib.Path(name) for name in sys.argv[2:]]
    try:
        trees = {path.stem: ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in files}
    except SyntaxError as error:
        sys.exit("%s: line %d: %s" % (error.filename, error.lineno, error.msg))
    constants = {module: constants_of(tree) for module, tree in trees.items() if module[0] == "_" and module != "__init__"}
    # A module is reached by its own name: `from ota import _store`. An object that happens to be called so would be mistaken for it.
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if (isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and node.id in constants) or (
                    isinstance(node, ast.arg) and node.arg in constants):
                sys.exit("%s.py: a variable is called like a module of the package" % module)
    for module, tree in trees.items():
        trees[module] = ast.fix_missing_locations(Inline(module, constants).visit(tree))
    kept = other_uses(trees)
    for module, tree in trees.items():
        gone = constants.get(module, {}).keys() - kept
        tree.body = [s for s in tree.body if not pairs(s) or any(name not in gone for name, _ in pairs(s))]
        (out / (module + ".py")).write_text(ast.unparse(tree) + "\n", encoding="utf-8")


main()
