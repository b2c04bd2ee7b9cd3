"""Image files as the benchmark reads them: opaque 8-bit RGB, or an error that says why not."""

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from models.errors import EsrError
from models.files import check_regular


def read_rgb(path: Path) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """The image at `path` as (h, w, 3) uint8, and notes on what was converted. EXIF rotation is ignored.

    Raises EsrError for anything but an opaque 8-bit RGB, grey or palette image of reasonable size.
    """
    try:
        if check_regular(path, "image") == 0:
            raise EsrError(f"{path} is empty (0 bytes); copy it again")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                deep = any(";16" in str(tile.args) for tile in image.tile)  # Pillow would drop the lower 8 bits
                if deep or image.mode.startswith(("I", "F")):
                    raise EsrError(f"{path} has more than 8 bits a channel; save it as 8-bit RGB")
                if image.has_transparency_data and (image.mode != "P" or _see_through(image)):
                    raise EsrError(f"{path} has an alpha channel or transparency; save it as plain RGB")
                if image.mode not in ("RGB", "P", "L", "1"):
                    raise EsrError(f"{path} is {image.mode}, not RGB or grey; save it as RGB")
                grey = image.mode in ("L", "1")
                rgb = np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise EsrError(f"{path} claims more than {limit:.0f} million pixels; remove it or crop it") from None
    except UnidentifiedImageError:
        raise EsrError(f"{path} is not an image, whatever its name says; replace it") from None
    except EsrError:
        raise
    except Exception as error:  # of Pillow's decoders, which raise whatever a damaged file leads them to
        if isinstance(error, OSError) and error.errno:
            raise EsrError(f"cannot read {path} ({error.strerror}); check the file and its permissions") from None
        raise EsrError(f"{path} is damaged or cut short ({error}); copy it again") from None
    return rgb, (f"{path.name} is grey; replicated to RGB",) if grey else ()


def _see_through(image: Image.Image) -> bool:
    return bool(np.asarray(image.convert("RGBA"))[..., 3].min() < 255)


def size_text(image: npt.NDArray[np.uint8]) -> str:
    """Width and height, as people write them."""
    return f"{image.shape[1]}x{image.shape[0]}"
