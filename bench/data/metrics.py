"""PSNR and SSIM of 8-bit images, in float64.

Challenge protocol (NTIRE ESR): PSNR over RGB. Classic protocol (Table 1 of most SR papers): PSNR and SSIM of Y, kept as
float. Both remove a border as wide as the scale.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]


def finite(psnr_db: float) -> float | None:
    """As records have it: None for the infinite PSNR of equal images."""
    return None if np.isinf(psnr_db) else psnr_db


def luma(rgb: Image) -> Floats:
    """(h, w, 3) uint8 -> (h, w) Y of ITU-R BT.601 in 16..235, as MATLAB's rgb2ycbcr before its rounding."""
    return rgb.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255 + 16


def crop_border(image: NDArray[Any], border: int) -> NDArray[Any]:
    """Remove `border` pixels on each side; raises ValueError where nothing would be left."""
    if min(image.shape[:2]) <= 2 * border:
        raise ValueError(f"a {image.shape[1]}x{image.shape[0]} image has nothing left without a {border}-pixel border")
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Peak signal-to-noise ratio in dB with peak 255; infinite for identical images."""
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255.0**2 / error))


def ssim(a: Floats, b: Floats) -> float:
    """Structural similarity of two (h, w) images with peak 255 (Wang et al. 2004, as in its MATLAB code).

    11x11 Gaussian window, sigma 1.5, population covariance, mean over the positions where the window fits.
    """
    from skimage.metrics import structural_similarity  # here, since importing it takes 0.4 s

    if min(a.shape) < 11:
        raise ValueError(f"SSIM needs at least 11x11 pixels, not {a.shape[1]}x{a.shape[0]}")
    options = {"data_range": 255.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    # With these options scikit-image uses an 11x11 window; the border where it does not fit is cut off here.
    _, full = structural_similarity(a, b, full=True, truncate=3.5, **options)
    return float(crop_border(full, 5).mean())
