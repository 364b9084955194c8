"""Export: source code, exchange formats, and layers for simulators."""
