"""Analysis: from a program to a network with shapes and costs; the walk, its joins and its layers."""
