"""From the flat graph to a spec: structures, blocks with parameters, and the lines that a person would write."""
