"""Import and export: readers turn a framework's model into a spec, and writers turn a spec into other formats."""
