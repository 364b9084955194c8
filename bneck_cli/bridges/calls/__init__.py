"""From the calls of a framework to the flat graph: what each tensor is, and what each call makes of it."""
