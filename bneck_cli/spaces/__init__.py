"""Whole families of designs at once: one walk recorded as a tape, run on arrays, walked again where it would differ."""
