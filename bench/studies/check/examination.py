"""What a submission does besides being fast: its sizes, its range, what it keeps between images, what costs most.

All of it is found out in the network's own process.
"""

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bench.measurement.remembering import remembered
from bench.networks.engine import Image, Job
from bench.networks.external.examine import check_output
from bench.networks.external.opened import in_words
from bench.networks.worker import RemoteContestant
from bench.studies.check.check_record import Cost, Likeness
from bench.studies.roofline.roofline_record import LayerOp
from bench.studies.roofline.study import RooflineEngine
from models.errors import EsrError
from models.input import input_shape

RANGES = (1.0, 255.0)
LEVELS = 255
SIDE = 64  # of the images that are looked at for what is kept between them


class CheckEngine(RooflineEngine):
    """An engine that also answers what a challenge would ask of a submission."""

    def on_size(self, height: int, width: int) -> str:
        """Why it cannot enlarge an image of this size; "" where it can."""
        try:
            x = self._random(height, width)
            check_output(self._timed(lambda: self.model(x))[0], x, self.spec.scale)
        except EsrError as error:
            return str(error)
        except Exception as error:  # it is foreign code and may raise anything
            return in_words(error)
        return ""

    def keeps(self) -> float:
        """How far its answer to one image moves with what came before: the largest difference, in levels of 255."""
        one, other = self._random(SIDE, SIDE), self._random(SIDE, SIDE)
        answers = [self._timed(functools.partial(self.model, x.clone()))[0] for x in (one, other, one, one, other, one)]
        first, *again = (answers[i].float() for i in (0, 2, 3, 5))
        return max((answer - first).abs().max().item() for answer in again) / self.spec.data_range * LEVELS

    def likeness(self, image: Image) -> Likeness:
        """See the class. `image`: a photograph, (h, w, 3) uint8."""
        said = self.spec.data_range
        other = next(value for value in RANGES if value != said)
        return Likeness(self._difference(image, said), self._difference(image, other), other)

    def remembers(self) -> str:
        """See `bench.measurement.remembering`."""
        return remembered(self.fresh, self.again)

    def costs(self, passes: int) -> dict[str, Cost]:
        """By module, in the order of their first call: the fastest of some profiled passes."""
        found: dict[str, Cost] = {}
        profiled = [self.profile().layers for _ in range(passes + 1)][1:]  # the first one warms up
        for layer in min(profiled, key=_milliseconds):
            found[layer.module] = found.get(layer.module, Cost()) + Cost(sum(layer.times_ms), layer.macs)
        for name, module in self._module.named_modules():
            own = sum(parameter.numel() for parameter in module.parameters(recurse=False))
            if own:
                found[name] = found.get(name, Cost()) + Cost(parameters=own)
        return found

    def _random(self, height: int, width: int) -> Tensor:
        return self._place(torch.rand(input_shape(self.spec, height, width)) * self.spec.data_range)

    def _difference(self, image: Image, data_range: float) -> float:
        kept, self.spec = self.spec, replace(self.spec, data_range=data_range)
        try:
            enlarged, _ = self.upscale(image)
        except EsrError:  # of values that are no numbers
            return float(LEVELS)
        finally:
            self.spec = kept
        scale = self.spec.scale
        (h, w), blocks = image.shape[:2], enlarged.astype(np.float64)
        shrunk = blocks.reshape(h, scale, w, scale, 3).mean(axis=(1, 3))
        return float(np.abs(shrunk - image).mean())


class Examiner(RemoteContestant):
    """A `CheckEngine` in a process of its own; its methods are the requests."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.model, functools.partial(CheckEngine, job))

    def on_size(self, height: int, width: int) -> str:
        """See `CheckEngine.on_size`."""
        return str(self.ask("on_size", height, width))

    def keeps(self) -> float:
        """See `CheckEngine.keeps`."""
        return float(self.ask("keeps"))

    def likeness(self, image: Image) -> Likeness:
        """See `CheckEngine.likeness`."""
        found: Likeness = self.ask("likeness", image)
        return found

    def remembers(self) -> str:
        """See `CheckEngine.remembers`."""
        return str(self.ask("remembers"))

    def costs(self, passes: int) -> dict[str, Cost]:
        """See `CheckEngine.costs`."""
        found: dict[str, Cost] = self.ask("costs", passes)
        return found


def _milliseconds(layers: Sequence[LayerOp]) -> float:
    return sum(sum(layer.times_ms) for layer in layers)
