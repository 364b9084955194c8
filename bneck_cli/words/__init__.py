"""How values are written, each type in one place, and how text from outside is shown."""
