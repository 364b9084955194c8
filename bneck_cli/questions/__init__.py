"""What is asked of a network, one module a command."""
