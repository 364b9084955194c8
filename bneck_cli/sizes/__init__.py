"""Exact sizes: polynomials over symbols, shapes, and figures as people state them."""
