"""Bridges to other formats: readers that make a spec of a framework's model, and writers that make theirs of a spec."""
