"""Functions as generators: the twin of a function does what it does, line by line, and yields where that would wait.

A twin is made when a task first calls its function: of the model's code, and of the modules that were kept. Each call
in it becomes `yield from call(...)`, which goes on into the twin of what is called. So one thread can run many of them
side by side, each line once, in its order. What has no twin is called as it is: generators, code of other modules, and
what stands in comprehensions.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterator
from contextvars import Context
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import BuiltinMethodType, CodeType, FunctionType, MethodType, ModuleType, TracebackType
from typing import Any, cast

from rlm_integrations.sandboxes.wasi_guest.tasks import Run
from rlm_integrations.sandboxes.wasi_guest.ticks import instrument

CALL = "_rlm_call"
"""The name of `call` in twins."""

_SUSPENDS = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
_OWN_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_AS_THEY_ARE = frozenset(["super", "locals", "vars", "dir", "eval", "exec", "globals"])
"""They look at the frame that calls them."""

_FOLDER = __file__.rpartition("/")[0]

Twin = Callable[..., Run]
_Function = ast.FunctionDef | ast.Lambda

_given: dict[Any, Twin] = {}
_kept: dict[str, str] = {}
_of_code: dict[CodeType, CodeType | None] = {}


def keep(*modules: ModuleType) -> None:
    """Keep the sources of modules, while files can be read: their functions have twins from now on."""
    for module in modules:
        assert module.__file__ is not None
        with open(module.__file__, encoding="utf-8") as file:
            _kept[module.__file__] = file.read()


def give(function: Any, twin: Twin) -> None:
    """Say what the twin of a function is."""
    _given[function] = twin


def call(function: Any, /, *args: Any, **kwargs: Any) -> Run:
    """Call a function by its twin, where it has one."""
    twin = twin_of(function)
    if twin is None:
        return function(*args, **kwargs)
    return (yield from twin(*args, **kwargs))


def without_frames_of_twins(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback as it would be without twins."""
    steps: list[TracebackType] = []
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(_FOLDER):
            steps.append(traceback)
        traceback = traceback.tb_next
    for step in reversed(steps):
        traceback = TracebackType(traceback, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return traceback


def twin_of(function: Any) -> Twin | None:
    kind = cast("type[Any]", type(function))
    if kind is MethodType:
        twin = twin_of(function.__func__)
        return None if twin is None else partial(twin, function.__self__)
    if kind is partial:
        if type(function.func) is BuiltinMethodType and type(function.func.__self__) is Context:  # asyncio.to_thread
            return twin_of(partial(*function.args, **function.keywords))
        twin = twin_of(function.func)
        return None if twin is None else partial(twin, *function.args, **function.keywords)
    if kind is FunctionType:
        return _given.get(function) or _twin(function)
    return None


def _twin(function: FunctionType) -> Twin | None:
    code = function.__code__
    if code not in _of_code:
        _of_code[code] = _twin_code(function)
    twin_code = _of_code[code]
    if twin_code is None:
        return None
    function.__globals__.setdefault(CALL, call)
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    closure = tuple(cells[name] for name in twin_code.co_freevars)
    twin = FunctionType(twin_code, function.__globals__, function.__name__, function.__defaults__, closure)
    twin.__kwdefaults__ = function.__kwdefaults__
    return cast(Twin, twin)


def _twin_code(function: FunctionType) -> CodeType | None:
    code = function.__code__
    source = _kept.get(code.co_filename) or _model_source(code.co_filename)
    if source is None or code.co_flags & _SUSPENDS:
        return None
    node = _node_of(code, ast.parse(source, code.co_filename))
    if node is None:
        return None
    try:
        module = compile(_module_with(_twin_node(node), function), code.co_filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return None
    name = node.name if isinstance(node, ast.FunctionDef) else _LAMBDA
    twin = next((each for each in _codes_in(module) if each.co_name == name and each.co_flags & CO_GENERATOR), None)
    return twin if twin is not None and {*twin.co_freevars} <= {*code.co_freevars} else None


_LAMBDA = "_rlm_lambda"


def _model_source(filename: str) -> str | None:
    """A block of the model's, as `repl.execute` left it for tracebacks."""
    entry = linecache.cache.get(filename) if filename.startswith("<step ") else None
    return "".join(entry[2]) if entry is not None and len(entry) == 4 else None


def _node_of(code: CodeType, tree: ast.Module) -> _Function | None:
    if code.co_name != "<lambda>":
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                if first == code.co_firstlineno:
                    return node
        return None
    places = set(code.co_positions())
    lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno]
    found = [node for node in lambdas if _place(node.body) in places]
    return found[0] if len(found) == 1 else None


def _place(node: ast.expr) -> tuple[int, int | None, int, int | None]:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def _twin_node(node: _Function) -> ast.FunctionDef:
    """The function with all that it calls called by `call`. Its defaults come with the function itself."""
    if isinstance(node, ast.Lambda):
        body: list[ast.stmt] = [ast.copy_location(ast.Return(node.body), node.body)]
        twin = ast.FunctionDef(name=_LAMBDA, args=node.args, body=body, decorator_list=[])
    else:
        twin = ast.FunctionDef(name=node.name, args=node.args, body=node.body, decorator_list=[])
    cast(Any, twin).type_params = []
    arguments = twin.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if argument is not None:
            argument.annotation = None
    arguments.defaults, arguments.kw_defaults = [], [None] * len(arguments.kwonlyargs)
    yields = _Yields()
    statements = [yields.visit(statement) for statement in twin.body]
    # unreached, so that it is a generator in any case
    never = ast.If(ast.Constant(value=False), [ast.Expr(ast.Yield(None))], [])
    twin.body = [ast.fix_missing_locations(ast.copy_location(never, node)), *statements]
    return ast.fix_missing_locations(ast.copy_location(twin, node))


class _Yields(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> Any:
        return node if isinstance(node, (*_OWN_SCOPES, *_COMPREHENSIONS)) else super().visit(node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in _AS_THEY_ARE:
            return node
        called = ast.Call(ast.Name(CALL, ast.Load()), [node.func, *node.args], node.keywords)
        return ast.fix_missing_locations(ast.copy_location(ast.YieldFrom(ast.copy_location(called, node)), node))


def _module_with(twin: ast.FunctionDef, function: FunctionType) -> ast.Module:
    """The twin where names mean what they mean in the function: among its free variables, in a class of that name."""
    inner: ast.stmt = twin
    owner = function.__qualname__.split(".")[-2:-1]
    if owner and owner[0].isidentifier():
        inner = ast.ClassDef(name=owner[0], bases=[], keywords=[], body=[twin], decorator_list=[])
        cast(Any, inner).type_params = []
    free = [ast.arg(name) for name in function.__code__.co_freevars if name != "__class__"]
    arguments = ast.arguments(posonlyargs=[], args=free, kwonlyargs=[], kw_defaults=[], defaults=[])
    outer = ast.FunctionDef(name="_rlm_free", args=arguments, body=[inner], decorator_list=[])
    cast(Any, outer).type_params = []
    for node in (inner, outer):
        ast.copy_location(node, twin)
    module = ast.fix_missing_locations(ast.Module(body=[outer], type_ignores=[]))
    return module if function.__code__.co_filename in _kept else instrument(module)


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes_in(constant)
