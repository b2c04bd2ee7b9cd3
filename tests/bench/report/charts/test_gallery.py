"""Pictures beside each other: what is drawn into them, and the figure for paper."""

import io

import numpy as np
import pytest
from PIL import Image

from bench.report.charts.gallery import Gallery, Picture, Scale, draw_gallery, enlarged, framed

GREY = np.full((6, 4, 3), 100, dtype=np.uint8)


def test_pixels_become_whole_squares() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    large = enlarged(image, 40)
    assert large.shape == (20, 40, 3)
    assert (large[:10, :10] == image[0, 0]).all()
    assert enlarged(image, 1) is not None
    assert enlarged(image, 1).shape == image.shape


def test_a_frame_lies_around_its_square_and_is_cut_off_at_the_edge() -> None:
    drawn = framed(GREY, 2, 2, 1, colour=(1, 2, 3), thick=1)
    marked = (drawn == (1, 2, 3)).all(2)
    assert marked.sum() == 8
    assert not marked[2, 2]
    assert (GREY == 100).all()
    corner = (framed(GREY, 0, 0, 1, colour=(1, 2, 3), thick=1) == (1, 2, 3)).all(2)
    assert corner.sum() == 3


@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize("scale", [None, Scale("share", "0", "1", GREY[0])])
def test_the_figure_repeats(count: int, scale: Scale | None) -> None:
    pictures = tuple(Picture(f"a network with a long name {i}", GREY, "31.2 dB") for i in range(count))
    gallery = Gallery("key", "Title", pictures, "caption", "conclusion", scale)
    first = draw_gallery(gallery)
    assert first == draw_gallery(gallery)
    assert first["pdf"].startswith(b"%PDF")
    image = np.asarray(Image.open(io.BytesIO(first["png"])).convert("L"))
    assert (image == 100).any()
