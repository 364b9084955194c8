"""What a spec is made of, walked: one room for each family, one function for each structure."""
