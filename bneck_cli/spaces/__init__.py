"""Families of designs: one walk is recorded as a tape, run on arrays, and repeated where it would differ."""
