"""Text to a program: documents, expressions, steps, definitions, and the library of specs."""
