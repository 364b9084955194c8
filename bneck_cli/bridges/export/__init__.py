"""Specs out to other formats: source of frameworks, models of exchange, layers for simulators."""
