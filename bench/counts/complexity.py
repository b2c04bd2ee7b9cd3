"""Counts of a network of this project: on its own input, and as published, with fused what was fused then.

A luma network's input has 1 channel, and one that takes the image enlarged is counted at the enlarged size. What is
counted, and how, is told by `bench.counts.counting`.
"""

from torch import nn

from bench.core.record import Complexity
from bench.counts.counting import count
from bench.counts.published_forms import as_published, was_fused
from models.input import input_shape
from models.scan.mixer import separate_steps
from models.spec import ModelSpec


@separate_steps()
def count_complexity(model: nn.Module, height: int, width: int, spec: ModelSpec | None = None) -> Complexity:
    """Count one forward pass of `model` for an LR image of height x width. The model itself is left as it was.

    Args:
        spec: says what the network takes in, such as 1 x 1 x 4 height x 4 width where that is enlarged luma; None for
            RGB, 1 x 3 x height x width. What makes that input of an image is not counted.

    Raises whatever the network makes of an input of that shape.
    """
    shape = input_shape(spec, height, width) if spec else (1, 3, height, width)
    return count(model, shape, (height, width), as_published if was_fused(model) else None)
