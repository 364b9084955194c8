"""The figures of a language model that generates: its cache, the pass over a prompt, and a step of one token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.network import entries
from bneck_cli.errors import BneckError
from bneck_cli.questions.footprint import footprint
from bneck_cli.sizes.number import divided, is_whole

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Size
    from bneck_cli.questions.footprint import Footprint

RULE = (
    "the prompt is all positions of the context at once, a step is one token after them, both for the whole batch; "
    "2 FLOPs per multiply-add; 6·N·D counts 6 for each of N parameters (for experts, the active ones) and D tokens, "
    "none for the products of attention; a step's least time is that of its weights and cache at the bandwidth, or of "
    "its FLOPs at the peak; besides the weights, a sequence needs its cache and its share of a step's tensors"
)


class Generation(NamedTuple):
    """A language model's prompt and its next step, each with a footprint of its own; ``context`` are positions."""

    context: Size
    prompt: Footprint
    step: Footprint

    @property
    def batch(self) -> Size:
        """Sequences at once."""
        return self.step.analysis.batch

    @property
    def tokens(self) -> Size:
        """Tokens of all prompts."""
        return self.context * self.batch

    @property
    def cache_each(self) -> Size:
        """Bytes that are kept of one token."""
        return divided(self.step.total.cache, self.tokens)  # type: ignore[no-any-return]

    @property
    def params(self) -> Size:
        """All parameters."""
        return self.prompt.analysis.cost.params

    @property
    def active_params(self) -> Size:
        """Parameters without those of experts that a token does not meet."""
        return self.prompt.analysis.cost.active_params

    @property
    def training_flops(self) -> Size | None:
        """Operations of a step of training on the prompts, with what runs again."""
        found = self.prompt
        return None if found.backward is None else 2 * (found.total.macs + found.again + found.backward)

    @property
    def rule_of_six(self) -> Size:
        """What 6·N·D says of them."""
        return 6 * self.active_params * self.tokens

    @property
    def moved(self) -> Size:
        """Bytes of weights and cache that a step reads."""
        return self.step.total.read + self.step.total.cache

    @property
    def least_seconds(self) -> float | None:
        """The time of a step that moves weights and cache alone, or is bound by its operations."""
        device = self.step.device
        if device is None:
            return None
        peak = device.peak(self.step.precision.activations)
        return float(max(self.moved / device.bandwidth, 2 * self.step.total.macs / peak))  # type: ignore[operator]

    @property
    def fitting(self) -> int | None:
        """How many sequences of the context a device holds; None if its memory is not known."""
        step = self.step
        if step.device is None or not step.device.memory or step.peak is None:
            return None
        room = step.device.memory - step.total.weights - step.idle
        each = divided(step.total.cache + step.peak.bytes, self.batch)
        return int(max(0, room // each))


def generation(found: Footprint) -> Generation | None:
    """Follow a language model's prompt and the step after it.

    None for a network that reads no tokens, keeps nothing of what it has seen, or does not take a single token.
    """
    analysis = found.analysis
    shapes = list(analysis.inputs.values())
    if len(shapes) != 1 or len(shapes[0].spatial) != 1 or not _reads_tokens(analysis):
        return None
    past, length = analysis.settings.past, shapes[0].spatial[0]
    if past == 0:
        context: Size | str = length
    elif length == 1:
        context = past
    elif isinstance(past, int) and is_whole(length):
        context = past + length
    else:
        return None
    try:
        prompt = found if past == 0 else _asked(found, str(context), 0)
        step = _asked(found, "1", context if isinstance(context, int) else str(context))
    except BneckError:
        return None
    if step.total.cache == 0 or any(out.positions != 1 for out in step.analysis.outputs.values()):
        return None
    seen = next(iter(prompt.analysis.inputs.values())).spatial[0]
    return Generation(seen, prompt, step)


def _reads_tokens(analysis: Analysis) -> bool:
    """Whether the input are indices that are looked up."""
    layers = (entry.layer for entry in entries(analysis.root))
    return any(layer.rule is not None and layer.rule.part == "lookup" for layer in layers)


def _asked(found: Footprint, length: str, past: int | str) -> Footprint:
    """Ask for the same figures of another length and past."""
    settings = found.analysis.settings.with_input(f"1x{length}")._replace(past=past)
    analysis = analyze_program(found.analysis.program, settings)._replace(batch=found.analysis.batch)
    numbers = is_whole(found.analysis.batch) and all(
        is_whole(shape.elements) for entry in entries(analysis.root) for shape in (entry.layer.out,)
    )
    device = found.device if numbers else None
    return footprint(
        analysis, found.precision, device, found.optimizer, found.attention, found.inplace, found.recompute
    )


def figures(found: Generation) -> dict[str, Any]:
    """Name the figures as data."""
    training, step = found.prompt.training, found.step
    state = None if training is None else training.weights + training.gradients + training.master + training.state
    return {
        "context": found.context,
        "sequences": found.batch,
        "params": found.params,
        "active_params": found.active_params,
        "weight_bytes": step.total.weights + step.idle,
        "cache_bytes_per_token": found.cache_each,
        "cache_bytes": step.total.cache,
        "training_state_bytes": state,
        "training_activation_bytes": None if training is None else training.saved + training.block,
        "prompt_flops": 2 * found.prompt.total.macs,
        "step_flops": 2 * step.total.macs,
        "training_flops": found.training_flops,
        "rule_of_six_flops": found.rule_of_six,
        "step_moved_bytes": found.moved,
        "step_moved_activation_bytes": step.total.moved - found.moved,
        "seconds_to_first_token": found.prompt.total.seconds,
        "seconds_per_token": step.total.seconds,
        "least_seconds_per_token": found.least_seconds,
        "fitting_sequences": found.fitting,
    }
