"""The first study: counts, runtime, memory and quality of networks, in turn."""
