"""Drawings of blocks and networks: laid out as marks, which a format writes as SVG, TikZ or characters."""
