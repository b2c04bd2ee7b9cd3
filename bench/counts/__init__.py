"""Parameters, FLOPs and activations: counted as published and completely, and what the published count misses."""
