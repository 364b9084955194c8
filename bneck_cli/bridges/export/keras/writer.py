"""A spec as the source of a Keras model: a function for each definition, channels last, in the spec's own words.

A function of Keras sees the shape of what arrives while it builds, so a body is written as it stands: names are
variables, loops are loops, and a condition is an ``if``. What an expression says is compared with its value in every
use before it is written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.export.keras.bodies import Bodies
from bneck_cli.bridges.export.keras.helpers import HELPERS, NEEDS
from bneck_cli.bridges.export.keras.words import FUNCTIONS, WORDS, own
from bneck_cli.bridges.export.pytorch.writer import is_indexed, require_numbers
from bneck_cli.bridges.export.recorded import Recorded
from bneck_cli.bridges.export.source import laid_out
from bneck_cli.bridges.export.steps import Step as Run
from bneck_cli.bridges.export.steps import Steps
from bneck_cli.bridges.export.symbols import safe, shown
from bneck_cli.bridges.names import unused
from bneck_cli.engine.layers import LAYERS
from bneck_cli.engine.network import entries
from bneck_cli.engine.tensor import Tap
from bneck_cli.language.bodies import (
    reads,
)
from bneck_cli.language.expression import Name
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from bneck_cli.bridges.export.recorded import Event, Use
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.language.expression import Expression
    from bneck_cli.language.spec import Definition


class Source(NamedTuple):
    """A module of Python: its text, and the function that makes the model."""

    text: str
    name: str


def source(analysis: Analysis) -> Source:
    """Write a network as the source of a module of Python that needs Keras 3 alone.

    Raises BneckError, at the row, for what Keras has not, and for sizes that are symbols.
    """
    require_numbers(analysis)
    return Writer(analysis).source()


class Writer:
    """The functions of one network, each before those that call it."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.recorded = Recorded(analysis)
        self.uses: dict[int, list[Use]] = {}
        for use in self.recorded.uses:
            self.uses.setdefault(id(use.definition), []).append(use)
        self.names: dict[int, str] = {}
        self.taken: set[str] = {*HELPERS, *LAYERS, *WORDS}
        self.functions: list[list[str]] = []
        self.extents = not any(is_indexed(use.definition) for use in [*self.recorded.uses, self.recorded.whole])
        """Whether `3x3` may be written as 3."""
        self.embeds = any(entry.layer.op == "embed" for entry in entries(analysis.root))

    def source(self) -> Source:
        """Write the whole module."""
        self.require_read()
        whole = self.recorded.whole
        name = self.free(_snake(whole.definition.name if self.analysis.program.block else self.analysis.name))
        if self.analysis.program.block is None:
            function = Function(self, whole.definition, [whole])
            self.functions.append(function.model(name))
        else:
            self.functions.append(self.block_model(name, whole))
        body = "\n\n\n".join("\n".join(lines) for lines in self.functions)
        return Source(f"{self.header(body)}\n\n\n{body}\n", name)

    def require_read(self) -> None:
        """Require that an output follows from every layer: of a model, Keras keeps nothing else."""
        steps = Steps(self.analysis)
        kept = {id(step) for step in steps.kept}
        for step in steps.all:
            if isinstance(step, Run) and step.writes >= 0 and id(step) not in kept and number(step.layer.cost.params):
                raise step.layer.place.error("no output follows from this layer, and Keras keeps none that is not read")

    def header(self, body: str) -> str:
        """Write what stands above the functions: imports, and the helpers that are used."""
        cost = self.analysis.cost
        (shape, *_) = self.analysis.inputs.values()
        used = {name for name in HELPERS if re.search(rf"(?<![\w.\"]){FUNCTIONS.get(name, name)}\b(?!=)", body)}
        while more := {other for name in used for other in NEEDS.get(name, ())} - used:
            used |= more
        helpers = "\n\n\n".join(HELPERS[name].strip() for name in HELPERS if name in used)
        text = f"{helpers}{body}"
        title = f"{self.analysis.name}: {people(cost.inference_params)} parameters, {people(cost.macs)} multiply-adds."
        lines = [f'"""{title}', "", f"For an input of {shape}, channels last in Keras.", '"""', ""]
        found = [word for word in ("ceil", "floor", "log2", "prod") if re.search(rf"(?<![.\w]){word}\(", text)]
        lines += [f"from math import {', '.join(found)}", ""] if found else []
        lines += ["import keras", f"from keras import {', '.join(['layers', *(['ops'] if 'ops.' in text else [])])}"]
        return "\n".join(lines) + (f"\n\n\n{helpers}" if helpers else "")

    def block_model(self, name: str, use: Use) -> list[str]:
        """Write what makes a model of one block."""
        called = self.function(use.definition)
        (shape,) = self.analysis.inputs.values()
        given = [f"{own(key)}={shown(value)}" for key, value in use.values.items() if not isinstance(value, Tap)]
        sizes = ", ".join(str(number(size)) for size in (*shape.spatial, shape.channels))
        return [
            f"def {name}():",
            f"    inputs = keras.Input(({sizes}{',' * (not shape.spatial)}))",
            *laid_out(f"return keras.Model(inputs, {called}({', '.join(['inputs', *given])}))", 1),
        ]

    def free(self, name: str) -> str:
        """Return a name that nothing bears."""
        found = safe(unused(name, lambda one: safe(one) in self.taken))
        self.taken.add(found)
        return found

    def function(self, definition: Definition) -> str:
        """Return the function of a definition, which is written before whatever calls it."""
        if id(definition) not in self.names:
            name = self.names[id(definition)] = self.free(definition.name)
            made = Function(self, definition, self.uses[id(definition)])
            self.functions.append(made.lines(name))
        return self.names[id(definition)]


class Function(Bodies):
    """The function of a block, or the one that makes the model of a network."""

    def lines(self, name: str) -> list[str]:
        """Write a block's function."""
        events = [use.root for use in self.used]
        words = ["x", *(self.declared(parameter.name, parameter.default) for parameter in self.definition.parameters)]
        self.begin("x")
        self.defaults()
        self.emit(self.definition.body, events, "x")
        self.write(f"return {self.given(events[0])}")
        return [*laid_out(f"def {name}({', '.join(words)}):", 0), *self.body]

    def given(self, event: Event) -> str:
        """Write what a block gives: a tensor, or several."""
        if self.definition.outputs is None:
            return "x"
        outputs = self.definition.outputs
        return self.argument(outputs, [event], "x")

    def model(self, name: str) -> list[str]:
        """Write the function that makes the network's model."""
        events = [use.root for use in self.used]
        words = [self.declared(parameter.name, parameter.default) for parameter in self.definition.parameters]
        inputs = self.writer.analysis.inputs
        variables = []
        for given, shape in inputs.items():
            indices = self.writer.embeds and len(shape.spatial) == 1 and shape.channels == 1
            sizes = [number(size) for size in (shape.spatial if indices else (*shape.spatial, shape.channels))]
            text = f"({', '.join(map(str, sizes))}{',' * (len(sizes) == 1)})"
            text += ', dtype="int32"' if indices else ""
            variable = "inputs" if len(inputs) == 1 else safe(given)
            self.locals[given] = variable
            self.locals.setdefault("input", variable)
            self.write(f"{variable} = keras.Input({text})")
            variables.append(variable)
        self.write(f"x = {variables[0]}")
        self.begin("x")
        self.defaults()
        self.emit(self.definition.body, events, "x")
        outputs = list(self.writer.analysis.outputs) if self.writer.analysis.program.spec.outputs else []
        ends = [self.variable(one) for one in outputs] or ["x"]
        shapes = list(self.writer.analysis.outputs.values())
        for end, shape in zip(ends, shapes, strict=False):
            if shape.spatial and all(size == 1 for size in shape.spatial):
                self.write(f"{end} = layers.Flatten()({end})")
        taken = f"[{', '.join(variables)}]" if len(variables) > 1 else variables[0]
        given = f"[{', '.join(ends)}]" if len(ends) > 1 else ends[0]
        self.write(f"return keras.Model({taken}, {given})")
        return [*laid_out(f"def {name}({', '.join(words)}):", 0), *self.body]

    def declared(self, name: str, default: Expression | None) -> str:
        """Write a parameter; a default that others decide is None."""
        if default is None:
            return own(name)
        text = self.default(name, default)
        return f"{own(name)}={'None' if text.startswith('None: ') else text}"

    def default(self, name: str, default: Expression) -> str:
        """Write a default, or behind ``None:`` what it then is."""
        events = [use.root for use in self.used]
        value = events[0].env.get(name)
        if isinstance(default, Name) and default.name not in self.bound and default.name != "cin":
            return self.word(default.name, events, default) if isinstance(value, str) else shown(value)
        sym = self.translated(default, events, "x", compare=False)
        if sym is None:
            raise default.place.error("this default cannot be exported to Keras")
        return sym.text if not sym.names() and "x." not in sym.text else f"None: {sym.text}"

    def defaults(self) -> None:
        """Write the defaults that other parameters decide."""
        for parameter in self.definition.parameters:
            if parameter.default is not None:
                text = self.default(parameter.name, parameter.default)
                if text.startswith("None: "):
                    self.write(f"if {own(parameter.name)} is None:")
                    self.body += laid_out(f"{own(parameter.name)} = {text[6:]}", self.depth + 1)

    def begin(self, variable: str) -> None:
        """Keep what is read later: the channels that arrive, and lists of tensors that copies name."""
        defaults = tuple(one.default for one in self.definition.parameters if one.default is not None)
        if reads((self.definition.body, defaults), "cin"):
            self.write(f"c_in = {variable}.shape[-1]")
        for name in sorted(self.every):
            self.write(f"all_{name} = []")


def _snake(name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", re.sub(r"\(.*?\)", "", name).lower()).strip("_") or "net"
    return words if not words[0].isdigit() else f"net_{words}"
