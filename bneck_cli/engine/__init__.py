"""A program to an analysed network: settings, the walk, its joins and its layers."""
