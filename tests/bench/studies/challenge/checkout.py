"""A small challenge checkout of our own making: a sound baseline, and submissions with a trap each."""

import os
import time
from pathlib import Path

import psutil
import torch

from bench.studies.challenge.sandbox import PREFIX

SCRIPT = '''
"""NTIRE 2024 efficient SR"""
import os
import torch
from fvcore.nn import FlopCountAnalysis

def select_model(args, device):
    model_id = args.model_id
    if model_id == 0:
        from models.team00_plain import Plain
        name, data_range = f"{model_id:02}_Plain", 1.0
        model = Plain()
        model.load_state_dict(torch.load(os.path.join("model_zoo", "team00.pth")), strict=True)
BRANCHES
    else:
        raise NotImplementedError
    model.eval()
    return model.to(device), name, data_range, None

def forward(img_lq, model, tile=None):
    return model(img_lq)

def forward_padded(img_lq, model, tile=None):
    return model(torch.nn.functional.pad(img_lq, (0, 0, 0, 0))) * 1.0

def run(args, img_lr, model, tile):
    if args.model_id == 90:
        img_sr = forward_padded(img_lr, model, tile)
    else:
        img_sr = forward(img_lr, model, tile)
    FlopCountAnalysis(model, img_lr).total()
'''
BRANCH = """    elif model_id == {number}:
        from models.team{number:02} import Net
        name, data_range, model = f"{{model_id:02}}_Net", 1.0, Net()
"""
PLAIN = """
import torch
from torch import nn

class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 48, 3, padding=1)
        self.up = nn.PixelShuffle(4)

    def forward(self, x):
        return self.up(self.conv(x))
"""
SUMMARY = """
import torch

def get_model_activation(model, size):
    outputs = []
    hooks = [
        m.register_forward_hook(lambda m, i, o: outputs.append(o.numel()))
        for m in model.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))
    ]
    model(torch.zeros(1, *size))
    for hook in hooks:
        hook.remove()
    return sum(outputs), len(outputs)
"""
HEAD = "from models.team00_plain import *\nimport os, sys, time\nimport torch.nn.functional as F\n"


def make_checkout(root: Path, traps: dict[int, str]) -> Path:
    """Write a checkout with the baseline as team 0 and a module `Net(Plain)` of the given body for every other id."""
    for folder in ("models", "model_zoo", "utils"):
        (root / folder).mkdir(parents=True)
    (root / "models/team00_plain.py").write_text(PLAIN, encoding="utf-8")  # without __init__.py, as some are
    (root / "utils/model_summary.py").write_text(SUMMARY, encoding="utf-8")
    torch.manual_seed(0)
    state = {"conv.weight": torch.randn(48, 3, 3, 3), "conv.bias": torch.zeros(48)}
    torch.save(state, root / "model_zoo/team00.pth")
    branches = ""
    for number, body in traps.items():
        lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
        (root / f"models/team{number:02}.py").write_text(f"{HEAD}\nclass Net(Plain):\n{lines}\n", encoding="utf-8")
        branches += BRANCH.format(number=number)
    (root / "test_demo.py").write_text(SCRIPT.replace("BRANCHES", branches.rstrip()), encoding="utf-8")
    return root


def assert_none_of_ours_runs() -> None:
    """No submission that this process started is alive; those of another test process are its own."""
    time.sleep(0.5)
    for process in psutil.process_iter():
        try:
            ours = f"{PREFIX}{os.getpid()}-" in process.environ().get("HOME", "")
            assert not ours or process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
