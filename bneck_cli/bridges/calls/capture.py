"""Capture the calls of a PyTorch model on tensors without storage: each function with its module, parameters and cost.

A function mode sees every call at the level at which people write; hooks on all modules know which of them runs. No
weight is allocated, nothing is computed. This is the one room that imports PyTorch.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.graph import Call
from bneck_cli.errors import BneckError
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_RECORDS = 30_000
"""Calls that a model may make: the largest of timm make a third of them."""


class Ref(NamedTuple):
    """A tensor that a call takes or gives: its number, and its shape in the framework."""

    number: int
    shape: tuple[int, ...]


class Record(NamedTuple):
    """A call of a function. Tensors among the arguments are ``Ref``; ``outs`` are those that it gives."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outs: tuple[Ref, ...]
    macs: int
    stack: tuple[Call, ...]
    many: bool
    """Whether it gives a tuple."""


class Trace(NamedTuple):
    """All that a model calls for one input."""

    records: tuple[Record, ...]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]
    parameters: dict[int, tuple[str, int]]
    """The name of each parameter that is read, by the number of its tensor, and its elements."""
    buffers: frozenset[int]
    macs: int
    """Of the whole call."""
    unread: tuple[tuple[str, int], ...]
    """Parameters that no call reads."""
    entered: dict[Call, tuple[Ref, ...]]
    """The input tensors of each call of a module."""
    left: dict[Call, tuple[Ref, ...]]
    """The output tensors of it."""
    total: int
    """Elements of all parameters."""


def require_torch() -> Any:
    """Import PyTorch. Raises BneckError if it is not installed."""
    try:
        import torch
    except ImportError:
        raise BneckError("PyTorch is not installed", hint="pip install 'bneck[torch]'") from None
    return torch


@contextmanager
def built_on_meta() -> Iterator[None]:
    """Let ``torch.empty`` make tensors without storage, and with it every layer's weights.

    Other factories go on as they are: what a model computes while it is built (depths, widths) are numbers.
    """
    torch = require_torch()
    from torch.overrides import TorchFunctionMode

    class Empty(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = dict(kwargs or {})
            if func is torch.empty and kwargs.get("device") is None and kwargs.get("dtype") is not torch.long:
                kwargs["device"] = "meta"
            return func(*args, **kwargs)

    with Empty():
        yield


def capture(model: Any, shapes: list[tuple[int, ...]], batch: int = 1) -> Trace:
    """Run a model on the meta device in evaluation mode and keep every call.

    ``shapes`` are those of the inputs without the batch. Raises BneckError if the model does not run.
    """
    torch = require_torch()
    from torch.utils.flop_counter import FlopCounterMode

    try:
        model = model.to("meta").eval().requires_grad_(False)
    except RecursionError:
        raise BneckError(f"{type(model).__name__} contains itself") from None
    counter = FlopCounterMode(display=False)
    tracer = _Tracer(torch, model, counter)
    given = [torch.empty((batch, *shape), device="meta") for shape in shapes]
    inputs = tuple(map(tracer.ref, given))
    with torch.no_grad(), tracer.watching(), counter, tracer.mode():
        try:
            out = model(*given)
        except BneckError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever the model's own code raises)
            raise _stopped(error, tracer.stack) from None
    read = {
        number for record in tracer.records for ref in refs((record.args, record.kwargs)) for number in [ref.number]
    }
    names = {tracer.numbers[id(one)]: (name, one.numel()) for name, one in tracer.known_parameters()}
    return Trace(
        records=tuple(tracer.records),
        inputs=inputs,
        outputs=tuple(tracer.ref(one) for one in _tensors(torch, out)),
        parameters={number: told for number, told in names.items() if number in read},
        buffers=frozenset(tracer.numbers[id(one)] for one in model.buffers() if id(one) in tracer.numbers),
        macs=counter.get_total_flops() // 2,
        unread=tuple(told for number, told in names.items() if number not in read),
        entered=tracer.entered,
        left=tracer.left,
        total=sum(one.numel() for one in model.parameters()),
    )


def _stopped(error: BaseException, stack: list[Call]) -> BneckError:
    """Say where a model's own code stopped, and why."""
    where = f" in {stack[-1].path or 'its own code'} ({stack[-1].name})" if stack else ""
    text = " ".join(str(error).split())[:200]
    hint = "tensors have no values here, so code that branches on them cannot run" if "meta" in text else ""
    if "device" in text:
        hint = "create tensors on the device of the input: device=x.device"
    return BneckError(f"the model does not run{where}: {type(error).__name__}: {text}", hint=hint)


def refs(value: Any) -> Iterator[Ref]:
    """Yield the tensors in a value, however it nests them."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from refs(one)
    elif isinstance(value, dict):
        yield from refs(list(value.values()))


class _Tracer:
    """The records so far, the numbers of tensors, and the modules that run."""

    def __init__(self, torch: Any, model: Any, counter: Any) -> None:
        self.torch = torch
        self.model = model
        self.counter = counter
        self.paths = {id(module): name for name, module in model.named_modules()}
        self.numbers: dict[int, int] = {}
        self.alive: list[Any] = []
        self.stack: list[Call] = []
        self.calls: dict[int, int] = {}
        self.records: list[Record] = []
        self.entered: dict[Call, tuple[Ref, ...]] = {}
        self.left: dict[Call, tuple[Ref, ...]] = {}
        self.count = 0
        self.kept = {id(one) for one in model.parameters()}
        """Parameters, which a cast to their own type gives again."""

    def known_parameters(self) -> Iterator[tuple[str, Any]]:
        """Yield each parameter once, with a number of its own."""
        for name, one in self.model.named_parameters():
            self.ref(one)
            yield name, one

    def ref(self, tensor: Any, anew: bool = False) -> Ref:
        """Return the number of a tensor; what a call gives is new, even if it is an object that is known."""
        if anew or id(tensor) not in self.numbers:
            self.numbers[id(tensor)] = self.count
            self.count += 1
            self.alive.append(tensor)  # or its id would be another's
        return Ref(self.numbers[id(tensor)], tuple(tensor.shape))

    def plain(self, value: Any) -> Any:
        """Replace the tensors in a value."""
        if isinstance(value, self.torch.Tensor):
            return self.ref(value)
        if isinstance(value, tuple):
            return tuple(map(self.plain, value))
        if isinstance(value, list):
            return [self.plain(one) for one in value]
        if isinstance(value, dict):
            return {key: self.plain(one) for key, one in value.items()}
        return value

    def mode(self) -> Any:
        """Make the function mode."""
        from torch.overrides import TorchFunctionMode

        tracer = self

        class Mode(TorchFunctionMode):
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                return tracer.call(func, args, kwargs or {})

        return Mode()

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run a function and keep it, where it gives tensors."""
        before = self.counter.get_total_flops()
        taken = self.plain(args), self.plain(kwargs)
        out = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        given = list(_tensors(self.torch, out))
        if name == "__get__":
            whose = getattr(getattr(func, "__self__", None), "__name__", "")
            name = {"T": "t", "mT": "mT", "data": "detach"}.get(whose, whose)
        if name == "__setitem__":
            given = [args[0]]
        if not given or any(id(one) in self.paths for one in given):
            return out
        if len(self.records) >= MOST_RECORDS:
            raise BneckError(f"the model calls more than {people(MOST_RECORDS)} functions")
        outs = tuple(self.ref(one, anew=id(one) not in self.kept) for one in given)
        macs = (self.counter.get_total_flops() - before) // 2
        many = isinstance(out, (tuple, list))
        self.records.append(Record(name, *taken, outs, macs, tuple(self.stack), many))
        return out

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Know which modules run."""
        from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

        def enter(module: Any, args: Any) -> None:
            number = self.calls.get(id(module), 0)
            self.calls[id(module)] = number + 1
            call = Call(self.paths.get(id(module), ""), type(module).__name__, number)
            self.stack.append(call)
            self.entered[call] = tuple(self.ref(one) for one in _tensors(self.torch, args))

        def leave(_module: Any, _args: Any, out: Any) -> None:
            call = self.stack.pop()
            self.left[call] = tuple(self.ref(one) for one in _tensors(self.torch, out))

        hooks = register_module_forward_pre_hook(enter), register_module_forward_hook(leave)
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _tensors(torch: Any, value: Any) -> Iterator[Any]:
    """Yield the tensors in a value, however it nests them."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _tensors(torch, one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _tensors(torch, one)
