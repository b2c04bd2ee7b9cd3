"""Which input pixels an output depends on: local attribution maps and effective receptive fields."""
