"""An ONNX file, run by onnxruntime on the CPU."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.networks.external.exported import whole_file
from bench.networks.external.opened import Opened, in_words
from bench.networks.external.own import OwnNetwork
from models.errors import EsrError

EXTRAS = "pip install --no-deps -r requirements-extras.txt"
LOG_FATAL = 4  # onnxruntime's own messages add nothing to its exceptions


class OnnxNetwork(nn.Module):
    """A session of onnxruntime as a module; it has no parameters that PyTorch could see."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session
        self.input, self.output = session.get_inputs()[0].name, session.get_outputs()[0].name

    def forward(self, x: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, 3, 4h, 4w). Neither way copies."""
        (y,) = self.session.run([self.output], {self.input: x.contiguous().numpy()})
        return torch.from_numpy(y)


def open_onnx(own: OwnNetwork, threads: int | None) -> Opened:
    """Raises EsrError where onnxruntime is missing, or cannot run the file."""
    try:
        import onnxruntime
    except ImportError:
        raise EsrError(f"ONNX files are run by onnxruntime, which is not installed; {EXTRAS}") from None
    path = Path(own.target)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = LOG_FATAL
    # Threads that wait busily for the next pass would slow down the networks that are sampled in turn with this one.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception class for each status, and no common one
        raise EsrError(f"onnxruntime cannot read it: {in_words(error)}") from None
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise EsrError(f"it takes {len(inputs)} inputs; the benchmark gives it one image, (1, 3, h, w)")
    if inputs[0].type != "tensor(float)":
        raise EsrError(f"it takes {inputs[0].type}; only networks that take float32 are measured")
    height, width = inputs[0].shape[2:]
    fixed = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    reason = "an ONNX file runs in onnxruntime, where PyTorch's counters see nothing; name the network's Python code"
    versions = {"onnxruntime": onnxruntime.__version__}
    return Opened(OnnxNetwork(session), path, whole_file(path), fixed=fixed, uncountable=reason, versions=versions)
