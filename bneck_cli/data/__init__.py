"""Data files: the counting rules of other tools, and devices with their published peaks."""
