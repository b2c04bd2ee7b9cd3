"""What a lack of memory looks like, and what to say of it."""

import torch

OUT_OF_MEMORY = "out of memory; try a smaller --input-size, --precision fp16 on a GPU, or a machine with more memory"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's or the CPU's allocator gave up; some say so only in their text."""
    texts = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(text in str(error) for text in texts)
