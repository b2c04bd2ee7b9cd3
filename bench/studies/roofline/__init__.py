"""Where a network's time goes, layer by layer, beside the machine's own rates."""
