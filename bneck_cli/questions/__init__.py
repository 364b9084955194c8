"""Questions about a network, one module per command."""
