"""Runtime and memory over the input's size, whole and in tiles."""
