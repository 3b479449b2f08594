"""From words to meanings: names are looked up, kinds are checked, windows are bounded. Raises RuleError and nothing else."""

from __future__ import annotations

from dataclasses import replace

from . import catalogue as known
from .errors import RuleError, nearest, shown
from .holdings import FIGURES, holding
from .nodes import (
    Apply,
    Compare,
    Constant,
    Crosses,
    Derived,
    Fact,
    Indicator,
    Kind,
    Logic,
    Metric,
    Node,
    Span,
    WhaleCount,
)
from .spans import span_of
from .talib import completed, studies
from .tokens import Sort
from .tree import Binary, Call, Chain, Literal, Text, Tree, Unary

_KINDS = {Sort.NUMBER: Kind.NUMBER, Sort.PERCENT: Kind.PERCENT, Sort.DURATION: Kind.DURATION}
_SAID = {Kind.NUMBER: "a number", Kind.PERCENT: "a per cent value", Kind.DURATION: "a duration", Kind.BOOL: "true or false"}
_OF_THE_LANGUAGE = (known.METRIC_OF, known.STATISTIC_OF, known.FUNCTION_OF, known.SYSTEM_OF, known.COUNT_OF)
_MOST_WHALE_MS = 86_400_000


def meaning(tree: Tree) -> Node:
    """The typed node of a tree."""
    match tree:
        case Literal(token, _):
            return Constant(token.value, _KINDS[token.sort], token.text)
        case Text(symbol, column):
            raise RuleError(column, f"The symbol '{shown(symbol)}' is not a value.", f"Write price('{shown(symbol)}').")
        case Call():
            return _call(tree)
        case Unary("not", operand, _):
            return Logic("not", (_truth(operand),))
        case Unary(_, operand, _):
            inner = _number(operand)
            return Apply("neg", (inner,), inner.kind)
        case Binary("and" | "or", operands, _):
            return Logic(tree.operator, tuple(_truth(one) for one in operands))
        case Binary():
            return _arithmetic(tree)
        case Chain():
            return _comparisons(tree)


def column_of(tree: Tree) -> int:
    """Where an expression begins."""
    match tree:
        case Binary(_, operands, _) | Chain(operands, _, _, _):
            return min(column_of(operands[0]), tree.column)
        case _:
            return tree.column


def _truth(tree: Tree) -> Node:
    node = meaning(tree)
    if node.kind is not Kind.BOOL:
        raise RuleError(column_of(tree), f"Here stands {_SAID[node.kind]} where a condition is needed.", "Compare it: ... > 0.")
    return node


def _number(tree: Tree) -> Node:
    node = meaning(tree)
    if node.kind is Kind.BOOL:
        raise RuleError(column_of(tree), "A condition is no number.", "Join conditions by and, or, not.")
    return node


# Arithmetic and comparisons


def _arithmetic(tree: Binary) -> Node:
    left, right = _number(tree.operands[0]), _number(tree.operands[1])
    kind = (
        _sum_kind(left, right, tree.column) if tree.operator in "+-" else _product_kind(tree.operator, left, right, tree.column)
    )
    return Apply(tree.operator, (left, right), kind)


def _is_literal(node: Node, kind: Kind) -> bool:
    return isinstance(node, Constant) and node.unit is kind


def _together(left: Node, right: Node, column: int) -> None:
    """Whether two values can be added or compared."""
    kinds = {left.kind, right.kind}
    if Kind.DURATION in kinds and len(kinds) > 1:
        raise RuleError(column, "A duration goes with a duration only.", "Write its unit: 10s, 5m, 1h.")
    if kinds == {Kind.NUMBER, Kind.PERCENT}:
        for one in (left, right):
            if _is_literal(one, Kind.PERCENT) and isinstance(one, Constant):
                raise RuleError(
                    column, f"{one.text} goes with per cent values only.", f"Write {one.value / 100:g} or {one.value:g}."
                )


def _sum_kind(left: Node, right: Node, column: int) -> Kind:
    _together(left, right, column)
    return left.kind if left.kind is right.kind else Kind.PERCENT


def _product_kind(operator: str, left: Node, right: Node, column: int) -> Kind:
    for one in (left, right):
        if isinstance(one, Constant) and one.unit is Kind.PERCENT:
            raise RuleError(
                column, f"{one.text} cannot be multiplied or divided.", f"Write {one.value / 100:g} or {one.value:g}."
            )
    kinds = (left.kind, right.kind)
    if operator == "/":
        if kinds[0] is kinds[1]:
            return Kind.NUMBER
        if kinds[1] is Kind.DURATION:
            return Kind.NUMBER
        return kinds[0] if kinds[1] is Kind.NUMBER else Kind.NUMBER
    if kinds == (Kind.DURATION, Kind.DURATION):
        raise RuleError(column, "Durations cannot be multiplied with each other.")
    unlike = [kind for kind in kinds if kind is not Kind.NUMBER]
    return unlike[0] if len(unlike) == 1 else Kind.NUMBER


def _comparisons(tree: Chain) -> Node:
    operands = [_number(one) for one in tree.operands]
    found: list[Node] = []
    for at, operator in enumerate(tree.operators):
        _together(operands[at], operands[at + 1], tree.columns[at])
        found.append(Compare(operator, operands[at], operands[at + 1]))
    return found[0] if len(found) == 1 else Logic("and", tuple(found))


# Calls


def _call(call: Call) -> Node:
    if call.name in FIGURES:
        return holding(call)
    symbol, arguments = None, call.arguments
    if arguments and isinstance(arguments[0], Text):
        symbol, arguments = arguments[0].symbol, arguments[1:]
    node = _found(call, symbol, arguments)
    if node is None:
        raise _unknown(call)
    if call.field is not None and not (isinstance(node, Indicator) and node.output_name):
        raise RuleError(call.field_column, f"{call.name} has one output only.", f"Leave out .{shown(call.field)}.")
    return node


def _found(call: Call, symbol: str | None, arguments: tuple[Tree, ...]) -> Node | None:
    """Languages functions, statistics, metrics, candles: the first that fits name and arguments."""
    name = call.name
    plain, intrabar = _without_mark(arguments)
    if _is_indicator(name, plain):
        found = _indicator(call, symbol, plain)
        return replace(found, intrabar=True) if intrabar else found
    if name in known.FUNCTION_OF and symbol is None:
        return _function(call, arguments)
    if name in known.STATISTIC_OF and len(arguments) == 2 and symbol is None:
        return _statistic(call, arguments)
    if name in known.METRIC_OF and len(arguments) == 1:
        return _metric(call, symbol, arguments[0])
    if name in known.POINT_OF and not arguments:
        return Metric(name, known.POINT_OF[name].kind, symbol)
    if name in known.SYSTEM_OF and not arguments and (symbol is None or name in ("data_age", "stale", "gaps")):
        return Fact(name, known.SYSTEM_OF[name].kind, symbol)
    if name in known.COUNT_OF and len(arguments) == 1:
        return _whales(call, symbol, arguments[0])
    return None


def _unknown(call: Call) -> RuleError:
    if call.name in ("true", "false"):
        return RuleError(call.column, f"There is no constant {call.name}.", "Write a comparison.")
    if call.name not in known.names():
        return RuleError(call.column, f"{shown(call.name)} is not known.", nearest(call.name, known.names()))
    return RuleError(call.column, f"{call.name} is not written like this.", f"Write {known.signatures(call.name)}.")


def _metric(call: Call, symbol: str | None, window: Tree) -> Node:
    entry = known.METRIC_OF[call.name]
    if symbol is not None and call.name in ("correlation", "beta"):
        return Metric(call.name, entry.kind, None, _window(window), other=symbol)
    return Metric(call.name, entry.kind, symbol, _window(window))


def _window(tree: Tree) -> Span:
    if not isinstance(tree, Literal):
        raise RuleError(column_of(tree), "A window is written out, as a count of samples or a duration.", "Write 60 or 5m.")
    return span_of(tree.token, tree.column)


def _whales(call: Call, symbol: str | None, window: Tree) -> Node:
    span = _window(window)
    if not 0 < span.ms <= _MOST_WHALE_MS:
        raise RuleError(column_of(window), "Whales are counted over a duration of up to 1d.", "Write whales(5m).")
    return WhaleCount(call.name, Kind.NUMBER, symbol, span)


def _function(call: Call, arguments: tuple[Tree, ...]) -> Node:
    if call.name.startswith("crosses_"):
        if len(arguments) != 2:
            raise _unknown(call)
        left, right = _number(arguments[0]), _number(arguments[1])
        _together(left, right, column_of(arguments[1]))
        return Crosses(call.name == "crosses_above", left, right)
    if (call.name == "abs") != (len(arguments) == 1) or not arguments:
        raise _unknown(call)
    operands = tuple(_number(one) for one in arguments)
    kind = operands[0].kind
    for tree, one in zip(arguments[1:], operands[1:], strict=True):
        _together(operands[0], one, column_of(tree))
        kind = kind if kind is one.kind else Kind.PERCENT
    return Apply(call.name, operands, kind)


def _statistic(call: Call, arguments: tuple[Tree, ...]) -> Node:
    inner, span = _number(arguments[0]), _window(arguments[1])
    if isinstance(inner, Constant):
        raise RuleError(column_of(arguments[0]), "A constant has no past.", f"Write {call.name}(volume(1m), 1h).")
    if not span.ms:
        raise RuleError(column_of(arguments[1]), "The window of an expression is a duration.", "Write 5m or 1h.")
    fixed = {"zscore": Kind.NUMBER, "change": Kind.PERCENT}
    return Derived(call.name, inner, span, fixed.get(call.name, inner.kind))


# Candles


def _without_mark(arguments: tuple[Tree, ...]) -> tuple[tuple[Tree, ...], bool]:
    """The arguments without the word `intrabar` at their end, and whether it stood there."""
    last = arguments[-1] if arguments else None
    marked = isinstance(last, Call) and last.name == "intrabar" and not last.called and last.field is None
    return (arguments[:-1], True) if marked else (arguments, False)


def _is_indicator(name: str, arguments: tuple[Tree, ...]) -> bool:
    """Numbers and then an interval; for names that are a metric as well, at least one number."""
    if not arguments or not all(isinstance(one, Literal) for one in arguments):
        return False
    *numbers, interval = [one.token for one in arguments if isinstance(one, Literal)]
    if interval.sort is not Sort.DURATION or any(one.sort is not Sort.NUMBER for one in numbers):
        return False
    if name in known.CANDLE_FIELDS:
        return not numbers
    taken = any(name in entries for entries in _OF_THE_LANGUAGE)
    return (bool(numbers) or not taken) and name in studies()


def _indicator(call: Call, symbol: str | None, arguments: tuple[Tree, ...]) -> Indicator:
    *numbers, last = [one for one in arguments if isinstance(one, Literal)]
    interval = span_of(last.token, last.column).text
    if interval not in known.INTERVALS:
        raise RuleError(last.column, f"There are no candles of {interval}.", f"Write one of {', '.join(known.INTERVALS)}.")
    if call.name in known.CANDLE_FIELDS:
        return Indicator(call.name, Kind.NUMBER, symbol, interval)
    study = studies()[call.name]
    try:
        parameters = completed(study, [one.token.value for one in numbers])
    except ValueError as error:
        raise RuleError(
            (numbers[0] if numbers else call).column, str(error), f"Write {known.signatures(call.name)}."
        ) from error
    which, name = 0, ""
    if len(study.outputs) > 1:
        name = call.field or study.outputs[0]
        if name not in study.outputs:
            raise RuleError(
                call.field_column, f"{call.name} has no output {shown(name)}.", f"It has {', '.join(study.outputs)}."
            )
        which = study.outputs.index(name)
    return Indicator(call.name, Kind.NUMBER, symbol, interval, parameters, which, name)
