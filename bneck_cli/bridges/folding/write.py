"""A folded network as the text of a spec, formatted as a person would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.bridges.folding.repeats import Step, Structure, Written
from bneck_cli.engine.layers import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bneck_cli.bridges.folding.fold import Definition, Folded, Operation

WIDTH = 96
SHORT = 60
"""So long a body stands behind its key."""


def text(
    name: str,
    given: str,
    folded: Folded,
    comments: Sequence[str],
    expect: tuple[int, int, str],
    leaving: Sequence[str] = (),
) -> str:
    """Return a spec: its name, its input as written, its ops, its blocks, its net, and figures with their origin.

    ``leaving`` are the names of the outputs where they are several.
    """
    lines = [f"# {line}" for line in comments]
    lines += [f"name: {quoted(name)}", f"input: {given}"]
    if folded.operations:
        lines += ["", "ops:", *(_operation(one) for one in folded.operations)]
    if folded.blocks:
        lines += ["", "blocks:"]
        for place, block in enumerate(folded.blocks):
            lines += [""] if place else []
            lines += _block(block)
    lines += ["", "net:", *(body(folded.net, 2) or ["  - identity"])]
    lines += [f"outputs: [{', '.join(leaving)}]"] if leaving else []
    params, macs, origin = expect
    lines += ["", "expect:", f"  params: {params}", f"  macs: {macs}", f"  origin: {quoted(origin)}"]
    return "\n".join(lines) + "\n"


def quoted(word: str) -> str:
    """Write a text as YAML takes it for one."""
    return f'"{word}"' if any(letter in word for letter in ":#{}[],&*?|<>=!%@`'\\") else word


def _operation(one: Operation) -> str:
    return f"  {one.name}: {{out: [{one.out}], params: {one.params}, macs: {one.macs}}}"


def _block(block: Definition) -> list[str]:
    parameters = ", ".join(name if default is None else f"{name}={default}" for name, default in block.parameters)
    signature = f"  {block.name}({parameters}):" if parameters else f"  {block.name}:"
    times = f"{block.uses} times" if block.uses > 1 else "once"
    comment = f"# {block.origin}, {times}"
    head = [f"{signature:<50}{comment}"] if len(signature) < 50 else [f"  {comment}", signature]
    return [*head, *body(block.body, 4)]


def body(steps: Sequence[Written], indent: int) -> list[str]:
    """Write steps as a list: steps in a row on one line, as far as they belong together."""
    lines: list[str] = []
    for part in _parts(steps):
        if isinstance(part, str):
            lines.append(f"{' ' * indent}- {part}")
        else:
            lines += _structure(part, indent)
    return lines


def _parts(steps: Sequence[Written]) -> Iterator[str | Structure]:
    """Yield lines of steps, and structures."""
    line: list[Step] = []
    for step in steps:
        if isinstance(step, Structure):
            if line:
                yield _joined(line)
            line = []
            yield step
            continue
        if line and (_begins(step) or line[-1].name == "as") and not _together(line, step):
            yield _joined(line)
            line = []
        line.append(step)
        if len(line) > 1 and len(_joined(line)) > WIDTH:
            last = line.pop()
            yield _joined(line)
            line = [last]
    if line:
        yield _joined(line)


def _together(line: Sequence[Step], step: Step) -> bool:
    """Return whether a layer is written on the line of those before it, none of which has weights that multiply."""
    return step.name in LAYERS and not any(_begins(one) or one.name == "as" for one in line)


def _begins(step: Step) -> bool:
    """Return whether a step begins a line: it has weights of its own that multiply, or it is a block."""
    if step.name == "from":
        return True
    if step.name in LAYERS:
        return LAYERS[step.name].part in ("conv", "attention")
    return step.name != "as"


def _joined(steps: Sequence[Step]) -> str:
    return " -> ".join(map(step_text, steps))


def step_text(step: Step) -> str:
    """Write a step."""
    words = [f"{step.copies}x"] if step.copies > 1 else []
    words += [step.name, *step.arguments]
    words += [f"{name}={value}" if value else name for name, value in step.options]
    if step.first:
        words.append(f"first({', '.join(f'{name}={value}' for name, value in step.first)})")
    return " ".join(words)


def _line(steps: Sequence[Written], limit: int = SHORT) -> str | None:
    """Write a body in one line, where it is short."""
    if not steps:
        return "identity"
    if any(isinstance(step, Structure) for step in steps):
        return None
    written = _joined([step for step in steps if isinstance(step, Step)])
    return written if len(written) <= limit else None


def _structure(one: Structure, indent: int) -> list[str]:
    pad = " " * indent
    if one.key == "if":
        return [f"{pad}- if: {one.word}", *_keyed("then", one.bodies[0], indent + 2)]
    if one.key == "repeat":
        lines = _keyed(f"{one.word}x", one.bodies[0], indent + 2)
        return [f"{pad}- {lines[0].lstrip()}", *lines[1:]]
    if one.key == "scale":
        lines = _keyed("scale", one.bodies[0], indent + 2)
        return [f"{pad}- {lines[0].lstrip()}", *lines[1:]]
    if one.key == "residual":
        lines = _keyed("residual", one.bodies[0], indent + 2)
        found = [f"{pad}- {lines[0].lstrip()}", *lines[1:]]
        if len(one.bodies) > 1:
            return [*found, *_keyed("shortcut", one.bodies[1], indent + 2)]
        return found if one.word == "identity" else [*found, f"{pad}  shortcut: {one.word}"]
    if one.key == "attend":
        lines = [f"{pad}- attend:"]
        for name, branch in zip(("queries", "keys", "values", "scores"), one.bodies, strict=False):
            lines += _keyed(name, branch, indent + 4) if branch or name != "scores" else []
        return [*lines, *_beside(one, indent)]
    lines = [f"{pad}- {one.key}:"]
    short = [_line(branch) for branch in one.bodies]
    plain = all(line is not None and "," not in line for line in short)
    wired = any(line is not None and line.startswith("from ") for line in short)
    room = WIDTH - indent - len(one.key) if wired and len(short) == 2 else 24 * len(short)
    if plain and (all(len(line or "") < 24 for line in short) or sum(len(line or "") + 2 for line in short) < room):
        return [f"{pad}- {one.key}: [{', '.join(line for line in short if line)}]", *_beside(one, indent)]
    for branch, line in zip(one.bodies, short, strict=True):
        if line is not None:
            lines.append(f"{pad}    - {line}")
            continue
        nested = body(branch, indent + 6)
        lines.append(f"{pad}    - {nested[0].lstrip()}" if len(nested) > 1 else f"{pad}    - {nested[0].lstrip()[2:]}")
        lines += nested[1:]
    return [*lines, *_beside(one, indent)]


def _beside(one: Structure, indent: int) -> list[str]:
    """Write what stands beside the branches of a join."""
    return [f"{' ' * indent}  {name}: {value}" for name, value in one.options]


def _keyed(key: str, steps: Sequence[Written], indent: int) -> list[str]:
    """Write a body behind its key: on its line where it is short (a gate always), else below it."""
    line = _line(steps, WIDTH + SHORT if key == "scale" else SHORT)
    pad = " " * indent
    if line is not None:
        return [f"{pad}{key}: {line}"]
    return [f"{pad}{key}:", *body(steps, indent + 2)]
