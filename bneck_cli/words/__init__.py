"""Formatting of values: each type in one place, and text from outside made safe."""
