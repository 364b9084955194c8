"""A step: a layer, an op of the file's own, or a block, with its arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.budget import LARGEST_SIZE
from bneck_cli.engine.layers import LAYERS, WORDS, LayerError, make
from bneck_cli.engine.layers.convolution import require_kernel_first
from bneck_cli.engine.layers.own import Own
from bneck_cli.engine.names import unknown_step
from bneck_cli.engine.network import Cost, Layer, Wire
from bneck_cli.engine.structures.blocks import Use, bind, use_block
from bneck_cli.engine.structures.sharing import share, share_of
from bneck_cli.engine.tensor import (
    Flow,
    Frame,
    Names,
    Result,
    arrive,
    fork,
    frame,
    identity,
    series,
    stride_after,
    taps_in,
    too_small,
    too_small_for,
)
from bneck_cli.engine.wording import field_at, usage
from bneck_cli.errors import BneckError, nearest
from bneck_cli.language.bodies import SHARE
from bneck_cli.language.document import Place
from bneck_cli.language.expression import Name, show
from bneck_cli.sizes.number import Ratio, is_whole, settled
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.engine.layers import Kind
    from bneck_cli.engine.network import Size
    from bneck_cli.engine.walk import Walk
    from bneck_cli.language.bodies import Option, Step
    from bneck_cli.language.expression import Expression
    from bneck_cli.language.spec import Formula


def walk_step(walk: Walk, step: Step, flow: Flow, frame: Frame) -> Result:
    """Walk a layer, a block or an op of the file's own."""
    return call(walk, step, step.options, flow, frame)


def call(walk: Walk, step: Step, options: tuple[Option, ...], flow: Flow, own: Frame) -> Result:
    """Evaluate a step's arguments, walk what its name stands for, and settle whose its weights are."""
    name, options = share_of(walk, options, own) if any(option.name == SHARE for option in options) else ("", options)
    found = _called(walk, step, options, flow, own)
    return share(walk, name, found, step, own) if name else found


def _called(walk: Walk, step: Step, options: tuple[Option, ...], flow: Flow, own: Frame) -> Result:
    """Walk what a step's name stands for."""
    scope = own.scope
    arrive(scope, flow.shape)
    arguments = tuple([walk.value(argument, own) for argument in step.arguments])
    named = {option.name: walk.value(option.value, own) for option in options}
    use = Use(arguments, named, step.arguments, options, step.place)
    name = scope.get(step.name, step.name)
    if not isinstance(name, str):
        raise step.place.error(f"'{step.name}' is {show(name)}, not the name of a layer or a block")
    seen = walk.scope_at(own.given.get(step.name, step.place) if step.name in scope else step.place)
    if name in seen.blocks:
        return use_block(walk, seen.blocks[name], use, flow)
    if name in seen.formulas:
        return apply_formula(walk, seen.formulas[name], use, flow)
    if name not in LAYERS:
        raise unknown_step(name, step.place, [*LAYERS, *seen.blocks, *seen.formulas])
    try:
        rule = make(name, arguments, named)
        if getattr(rule, "causal", False):
            rule.__dict__["past"] = walk.take_past()
        require_kernel_first(rule, arguments, flow.shape)
    except LayerError as error:
        raise layer_error(walk, error, name, step, options, own, usage(name)) from None
    try:
        if rule.absent:  # no operation: what it stands for is that there is none
            return Result(series("chain", "", [], flow.shape, flow.shape, step.place), flow)
        return apply_layer(walk, use.text(name), rule, flow, step.place)
    except LayerError as error:
        raise layer_error(walk, error, name, step, options, own) from None
    except BneckError as error:
        error.location = error.location or step.place.location()  # a formula that grew too large knows no place
        raise


def apply_layer(walk: Walk, text: str, rule: Kind, flow: Flow, place: Place) -> Result:
    """Apply one layer: its shape, its costs, and the stride that it adds."""
    walk.meter.layer(place)
    shape = flow.shape
    out = rule.out_shape(shape)
    if any(is_whole(size) and size > LARGEST_SIZE for size in (out.channels, *out.spatial)):
        raise place.error(f"{rule.name}: the result {out} is too large (over 2**64)")
    if too_small_for(rule, shape, out, walk.idle):
        raise too_small(place, rule.name, shape, out)
    macs, attention = rule.macs(shape, out), rule.attention_macs(shape, out)
    conv, linear = (macs, 0) if rule.part == "conv" else (0, macs - attention)
    weighted = rule.part in ("conv", "linear", "recurrent", "attention")
    cost = Cost(rule.params(shape), 0, conv, linear, attention, out.elements if weighted else 0)
    node = Layer(rule.name, text, rule, (shape,), out, cost, place)
    return Result(node, Flow(out, stride_after(rule, flow, out), place))


def layer_error(
    walk: Walk, error: LayerError, name: str, step: Step, options: tuple[Option, ...], own: Frame, usage: str = ""
) -> BneckError:
    """Put a layer's complaint where its cause stands; ``usage`` is the hint if there is none nearer."""
    place, hint = Place(step.place.node, step.place.offset, len(step.name)), usage
    culprit = error.culprit
    expression: Expression | None = None
    if isinstance(culprit, str) and not any(option.name == culprit for option in options):
        culprit = _position(name, culprit, step)
    if culprit is not None and not isinstance(culprit, str) and culprit < len(step.arguments):
        expression = step.arguments[culprit]
    for option in options:
        if option.name == culprit:
            expression = option.value
            place = option.place
    if expression is not None and not isinstance(culprit, str):
        place = expression.place
    if error.hint:
        return (place if expression is None else expression.place).error(f"{name}: {error}", error.hint)
    fields = LAYERS[name].fields
    if isinstance(expression, Name) and expression.name not in own.scope:
        word = expression.name
        if error.word and (word in LAYERS or walk.scope_at(step.place).find(word)):
            return expression.place.error(f"{name} {error}", "is a `->` missing before it?")
        words = [*own.scope, *(field.name for field in fields if not field.positional)]
        field = field_at(name, culprit)
        known = WORDS.get(field.convert, ()) if field else ()
        if word in known:
            return place.error(f"{name}: {error}", usage)
        words += known
        return expression.place.error(f"{name}: unknown name '{word}' ({error})", nearest(word, words) or usage)
    if error.word:
        from bneck_cli.language.vocabulary import option_hint

        hint = option_hint(error.word, [field.name for field in fields]) or usage
    elif "Ratio" in error.got:
        hint = "`/` is exact; `//` rounds down, round8(...) to a multiple of 8"
    return place.error(f"{name}: {error}", hint)


def _position(name: str, field: str, step: Step) -> int | str:
    """Return which argument of a step gives a field in its place; the field's name where none does."""
    fields = LAYERS[name].fields
    flags = {each.name for each in fields if each.is_flag}
    places = [at for at, word in enumerate(step.arguments) if not isinstance(word, Name) or word.name not in flags]
    ordered = [each.name for each in fields if each.positional]
    return dict(zip(ordered, places, strict=False)).get(field, field)


def apply_formula(walk: Walk, formula: Formula, use: Use, flow: Flow) -> Result:
    """Apply an op that the file defines by its formulas."""
    walk.meter.layer(use.place)
    own = frame(formula.name, {})
    bind(walk, formula, use, flow, own)
    shape, scope, name = flow.shape, own.scope, formula.name
    arrive(scope, shape)
    sizes = [_whole(size, scope, 1, f"a size of '{name}'") for size in formula.out]
    out = Shape(sizes[0], tuple(sizes[1:]))
    params = _whole(formula.params, scope, 0, f"the params of '{name}'")
    macs = _whole(formula.macs, scope, 0, f"the macs of '{name}'")
    holds = 0 if formula.holds is None else _whole(formula.holds, scope, 0, f"what '{name}' holds")
    reads = None if formula.reads is None else _whole(formula.reads, scope, 0, f"what '{name}' reads")
    rule = Own(
        name=name,
        noun=name,
        text=use.text(name),
        under=formula.part,
        sizes=tuple(sizes),
        weighs=params,
        multiplies=macs,
        holds=holds,
        reads=reads,
    )
    heads = {f"{formula.part}_macs" if formula.part != "other" else "other": macs}
    cost = Cost(params=params, activations=out.elements if macs != 0 else 0)._replace(**heads)
    taken = [tap for parameter in formula.parameters for tap in taps_in(scope[parameter.name])]
    if taken:
        rule.__dict__["product"] = True
    node = Layer(name, rule.text, rule, (shape, *(tap.shape for tap in taken)), out, cost, use.place)
    after = Flow(out, flow.stride if out.spatial == shape.spatial else None, use.place)
    if not taken:
        return Result(node, after)
    begins = [identity(flow, use.place).node]
    begins += [Wire("from", tap.name, shape, tap.shape, use.place) for tap in taken]
    return fork("op", tuple(begins), node, flow, after)


def _whole(expression: Expression, scope: Names, least: int, what: str) -> Size:
    """Evaluate what must be a whole number, or a symbolic size."""
    value = settled(expression.evaluate(scope))
    if isinstance(value, (str, tuple, bool, Ratio)):
        raise expression.place.error(f"{what} must be a whole number (got {show(value)})")
    if is_whole(value) and value < least:
        raise expression.place.error(f"{what} must be at least {least} (got {value})")
    return value  # type: ignore[no-any-return]
