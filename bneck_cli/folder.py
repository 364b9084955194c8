"""Modules of a package folder: a format or a command exists as soon as its file does."""

import os


def modules(path: str) -> list[str]:
    """Name the modules of a package's folder in alphabetical order, without those that begin with an underscore."""
    try:
        files = os.listdir(path)
    except OSError:  # the package is in an archive
        from pkgutil import iter_modules

        files = [f"{module.name}.py" for module in iter_modules([path])]
    return sorted(file[:-3] for file in files if file.endswith(".py") and not file.startswith("_"))
