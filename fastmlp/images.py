"""Folders of images: `train/3/a.png`, a folder for each class. Pillow is imported on use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import DataError
from fastmlp.inputs import check_regular

__all__ = ["find_images", "find_parts", "read_images"]

_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_TRAINING = ("train", "training")
_HELD_OUT = ("valid", "validation", "test", "testing")
_GREY = ("1", "L", "LA")
_COLOUR = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr", "HSV", "LAB")
_ALWAYS = 1 << 19  # pixels that an image may have, however small its file is
_DEFLATED = 1032  # bytes that a byte of a deflated file stands for, at most (zlib.net)


def find_parts(folder: Path) -> tuple[Path, Path | None] | None:
    """Return where the training images are, and those held out; None if there are no images.

    Classes may stand in `train` and `valid` (or `test`), or all in the folder itself.

    Examples
    --------
    >>> find_parts(Path("no such folder")) is None
    True
    """
    training = next((folder / name for name in _TRAINING if (folder / name).is_dir()), None)
    if training is None:
        return (folder, None) if find_images(folder) else None
    held_out = next((folder / name for name in _HELD_OUT if (folder / name).is_dir()), None)
    return training, held_out


def find_images(folder: Path) -> dict[str, list[Path]]:
    """Return the image files of each class folder, by their names; folders without any left out."""
    found: dict[str, list[Path]] = {}
    for inside in sorted(folder.iterdir()) if folder.is_dir() else []:
        if inside.is_dir() and not inside.name.startswith("."):
            paths = sorted(
                path
                for path in inside.iterdir()
                if path.suffix.lower() in _ENDINGS and not path.name.startswith(".")
            )
            if paths:
                found[inside.name] = paths
    return found


def read_images(paths: Sequence[Path]) -> NDArray[np.uint8]:
    """Return images of one size as rows of bytes.

    Parameters
    ----------
    paths : files that Pillow can read, at least one; the first decides on size and colour.

    Returns
    -------
    ndarray of shape (n, height * width) for grey images, (n, height * width * 3) for colour.

    Raises
    ------
    DataError
        If Pillow is missing, or a file is damaged, of another size or colour than the first, of
        more than 8 bits a pixel and colour, or far too small for the pixels it announces.
    """
    try:
        import PIL.Image
    except ImportError:
        raise DataError(
            f'{paths[0]}: expected Pillow to read it with, got none: pip install "fastmlp[data]"'
        ) from None
    rows: NDArray[np.uint8] | None = None
    first: tuple[int, ...] = ()
    for i, path in enumerate(paths):
        check_regular(path)
        try:
            with PIL.Image.open(path) as image:
                grey = image.mode in _GREY
                if not grey and image.mode not in _COLOUR:
                    raise DataError(f"{path}: expected 8 bits a pixel and colour, got {image.mode}")
                most = max(_ALWAYS, _DEFLATED * path.stat().st_size)
                if image.width * image.height > most:
                    raise DataError(
                        f"{path}: expected at most {most} pixels in a file of this size, "
                        f"got {image.width} x {image.height}"
                    )
                shape = (image.height, image.width) + (() if grey else (3,))
                if rows is not None and shape != first:
                    raise DataError(
                        f"{path}: expected {_described(first)} as in {paths[0]}, "
                        f"got {_described(shape)}"
                    )
                pixels = np.asarray(image.convert("L" if grey else "RGB"), np.uint8)
        except DataError:
            raise
        except (
            OSError, ValueError, SyntaxError, MemoryError, PIL.Image.DecompressionBombError,
        ) as error:  # fmt: skip
            reason = " ".join(
                (str(error) or "one too large").replace(str(path), "the file").split()
            )
            raise DataError(f"{path}: expected an image, got: {reason}") from None
        if rows is None:
            first, rows = shape, np.empty((len(paths), pixels.size), np.uint8)
        rows[i] = pixels.reshape(-1)
    if rows is None:
        raise ValueError("paths: expected at least one, got none")
    return rows


def _described(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} {'grey' if len(shape) == 2 else 'coloured'} pixels"
