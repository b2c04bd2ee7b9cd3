"""What is to know of a network of the user's own, found out in a process of its own, in which its code runs."""

from dataclasses import replace

import torch

from bench.core.record import Settings
from bench.networks.choice import Choice
from bench.networks.engine import Job
from bench.networks.external.examine import Examined
from bench.networks.worker import Worker


def about_own(choice: Choice, settings: Settings, device: torch.device, counted: bool = False) -> Examined:
    """Open it, run it once, and count it if that is wanted. Raises EsrError for a network that cannot be measured."""
    # As it is, in fp32: what a precision or torch.compile makes of it is found out by the measurements.
    plain = replace(settings, precision="fp32", compile=False, channels_last=False)
    with Worker(Job(choice.name, choice.options, None, plain, str(device), choice.own)) as worker:
        return worker.count(counted)
