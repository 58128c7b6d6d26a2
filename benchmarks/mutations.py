"""One small change to a Python program that should make it wrong: another constant, another operator, another value.

It decides which change is tried first: the value that is returned, a comparison, an operator, a constant.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult, ast.BitXor: ast.BitOr, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A changed program, and the change in words."""

    program: str
    change: str


def mutation_of(program: str, entry: str) -> Mutant | None:
    """The first change that there is in the entry point, else anywhere in the program's functions."""
    for kind in (_comparison, _operator, _constant, _returned):
        tree = ast.parse(program)
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for function in sorted(functions, key=lambda node: node.name != entry):
            for node in _inside(function):
                before = ast.unparse(node)
                if kind(node):
                    return Mutant(ast.unparse(tree), f"{before[:60]} -> {ast.unparse(node)[:60]}")
    return None


def _inside(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The body without its docstring."""
    for statement in function.body:
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            yield from ast.walk(statement)


def _comparison(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS:
        node.ops[0] = _COMPARISONS[type(node.ops[0])]()
        return True
    return False


def _operator(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _OPERATORS:
        node.op = _OPERATORS[type(node.op)]()
        return True
    return False


def _constant(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        value = node.value
        node.value = not value if isinstance(value, bool) else value + ("x" if isinstance(value, str) else 1)  # type: ignore[operator]
        return True
    return False


def _returned(node: ast.AST) -> bool:
    if isinstance(node, ast.Return) and node.value is not None:
        node.value = ast.List([node.value], ast.Load())
        return True
    return False
