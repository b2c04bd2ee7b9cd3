"""Counts of a network in words, for the terminal."""

from bench.core.record import Complexity

LOUD = 0.01  # of the work; a smaller hidden share is in the record and not worth a line on the terminal


def counts_lines(label: str, c: Complexity) -> list[str]:
    """The counts in one line, and a line for each reason not to trust them."""
    published = "no" if c.flops_published is None else f"{c.flops_published / 1e9:.4f} G"
    lines = [
        f"{label}: {c.parameters:,} parameters, {published} FLOPs as published "
        f"({c.macs / 1e9:.2f} GMAC, {c.flops / 1e9:.2f} GFLOP complete), "
        f"{c.activations_published / 1e6:.2f} M activations, {c.conv2d} convolutions"
    ]
    if c.uncovered_ops:
        lines.append(f"{label}: NOT COUNTED in the complete FLOPs, no rule covers them: {', '.join(c.uncovered_ops)}")
    return lines + [f"{label}: {line}" for line in vanished_lines(c)]


def vanished_lines(c: Complexity) -> list[str]:
    """What the published counts miss, in one line, and another for what nobody can count; up to LOUD is nothing."""
    shares, ops, modules = [], set[str](), list[str]()
    for what in ("FLOPs", "activations"):
        found = [v for v in c.vanished if v.what == what]
        share = c.hidden_share(what)
        if share > LOUD:
            shares.append(f"{share:.1%} of its {what}")
            ops.update(op for v in found for op in v.ops)
            modules += [v.module or "the network itself" for v in found if v.module not in modules]
    lines = []
    if shares:
        more = f" and {len(modules) - 2} more" if len(modules) > 2 else ""
        where = f"{', '.join(sorted(ops))} in {', '.join(modules[:2])}{more}"
        lines.append(f"not in the published count: {' and '.join(shares)} ({where})")
    outside = [v for v in c.vanished if v.what == "outside PyTorch"]
    if outside:
        where = ", ".join(sorted({f"{v.module or 'the network itself'} ({v.ops[0]})" for v in outside})[:3])
        lines.append(f"computes outside PyTorch, which nobody can count, in {where}")
    return lines
