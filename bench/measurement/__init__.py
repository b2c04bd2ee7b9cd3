"""Runtime and quality of a network that runs."""
