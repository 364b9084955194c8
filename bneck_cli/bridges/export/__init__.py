"""Export: source code, exchange formats, and layers for simulators."""


def is_installed(module: str) -> bool:
    """Return whether a framework is there, without importing it."""
    from importlib.util import find_spec

    return find_spec(module) is not None
