"""Parsing: documents, expressions, steps, definitions, and the library of specs."""
