"""Data sets to train on: digits (comes with scikit-learn), MNIST, Fashion-MNIST, image folders.

The MNIST files are looked for in ``$FASTMLP_DATA/mnist`` and ``$FASTMLP_DATA/fashion-mnist``,
then in the user's cache, then downloaded into it.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.errors import DataError, invalid
from fastmlp.idx import find_idx, read_idx
from fastmlp.images import find_images, find_parts, read_images
from fastmlp.output import check_path

__all__ = [
    "Dataset",
    "hold_out",
    "load_digits",
    "load_fashion_mnist",
    "load_image_folder",
    "load_mnist",
]

MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion-mnist": (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
}

# MD5 of the uncompressed files: mirrors compress differently.
CHECKSUMS = {
    "mnist": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}

ROUNDS = 2  # how often the list of mirrors is gone through
TIMEOUT = (5.0, 30.0)  # seconds to connect, seconds without a byte


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Rows to train on, rows held out, and how to read them.

    Attributes
    ----------
    x_train : ndarray of shape (n_train, features), uint8, float32 or float64
    y_train : ndarray of shape (n_train,), int64 indices into `classes`; for regression float
        targets of shape (n_train,) or (n_train, outputs)
    x_test : ndarray of shape (n_test, features); n_test is 0 where nothing is held out
    y_test : ndarray of shape (n_test,) or (n_test, outputs)
    classes : ndarray of shape (n_classes,), the sorted labels as they were given; empty for
        regression
    input_scale : what the network multiplies every input by
    name : where the rows come from

    Examples
    --------
    >>> load_digits()
    Dataset('digits': 1346 + 451 rows of 64 uint8 features, 10 classes)
    """

    x_train: NDArray[Any]
    y_train: NDArray[Any]
    x_test: NDArray[Any]
    y_test: NDArray[Any]
    classes: NDArray[Any]
    input_scale: float
    name: str

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}: {len(self.x_train)} + {len(self.x_test)} rows of "
            f"{self.x_train.shape[1]} {self.x_train.dtype} features, {len(self.classes)} classes)"
        )


def hold_out(
    labels: ArrayLike, *, seed: int = 0, share: float = 0.25
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split row numbers into those to train on and a share to hold out, class by class.

    Parameters
    ----------
    labels : array-like of shape (n,), the class of each row, numbers or words; all equal for a
        split without classes.
        A class of one row is trained on, of a larger one at least one row is held out.
    seed : of the random choice.
    share : of each class that is held out, up to a half.

    Returns
    -------
    Two ascending arrays of row numbers, together 0 … n - 1.

    Raises
    ------
    InvalidValueError, InvalidTypeError
        An argument cannot be used.

    Examples
    --------
    >>> train, held_out = hold_out(np.array([0, 0, 0, 0, 1, 1, 1, 1, 2]))
    >>> len(train), len(held_out), 8 in train
    (7, 2, True)
    """
    from fastmlp.validation import check_integer, check_number  # imports the compiler

    try:
        codes = np.asarray(labels)
    except (TypeError, ValueError):
        raise invalid("labels", "shape (n,)", "lists of different lengths") from None
    if codes.ndim != 1:
        raise invalid("labels", "shape (n,)", f"shape {codes.shape}")
    if codes.dtype.kind not in "biufUS":
        raise invalid("labels", "numbers or words", f"dtype {codes.dtype}")
    order = np.random.default_rng(check_integer("seed", seed, 0)).permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]  # class by class, random within
    grouped = codes[order]
    rank = np.arange(len(codes)) - np.searchsorted(grouped, grouped)
    share = check_number("share", share)
    if share > 0.5:
        raise invalid("share", "a number up to a half", share)
    # Every 1 / share-th row of a class, from its second on.
    held_out = np.floor((rank - 1) * share) > np.floor((rank - 2) * share)
    return np.sort(order[~held_out]), np.sort(order[held_out])


def load_digits(*, seed: int = 0) -> Dataset:
    """Return scikit-learn's handwritten digits: 1797 images of 8 × 8, no download.

    Parameters
    ----------
    seed : of the choice of the quarter that is held out, class by class.

    Returns
    -------
    Dataset of 64 uint8 features from 0 to 16, `input_scale` 1/16, classes 0 to 9.

    Examples
    --------
    >>> data = load_digits()
    >>> data.x_train.shape, data.x_test.shape, int(data.x_train.max())
    ((1346, 64), (451, 64), 16)
    """
    from sklearn.datasets import load_digits as embedded

    pixels, labels = embedded(return_X_y=True)
    x, y = pixels.astype(np.uint8), labels.astype(np.int64)
    train, test = hold_out(y, seed=seed)
    return Dataset(x[train], y[train], x[test], y[test], np.arange(10), 1 / 16, "digits")


def load_mnist() -> Dataset:
    """Return MNIST: 60000 + 10000 handwritten digits of 28 × 28, downloaded on first use.

    Returns
    -------
    Dataset of 784 uint8 features, `input_scale` 1/255, classes 0 to 9.

    Raises
    ------
    DataError
        If a file is damaged or not MNIST's, or is nowhere to be had.

    Examples
    --------
    >>> data = load_mnist()  # doctest: +SKIP
    >>> data.x_train.shape, data.x_train.dtype  # doctest: +SKIP
    ((60000, 784), dtype('uint8'))
    """
    return _load_images("mnist")


def load_fashion_mnist() -> Dataset:
    """Return Fashion-MNIST: 60000 + 10000 pictures of clothes, 28 × 28, downloaded on first use.

    Classes 0 to 9 are T-shirt/top, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag,
    ankle boot.

    Returns
    -------
    Dataset of 784 uint8 features, `input_scale` 1/255, classes 0 to 9.

    Raises
    ------
    DataError
        If a file is damaged or not Fashion-MNIST's, or is nowhere to be had.

    Examples
    --------
    >>> data = load_fashion_mnist()  # doctest: +SKIP
    >>> data.x_test.shape  # doctest: +SKIP
    (10000, 784)
    """
    return _load_images("fashion-mnist")


def load_image_folder(path: str | os.PathLike[str], *, seed: int = 0) -> Dataset:
    """Return the data set in a folder of images, a folder for each class; needs the extra `data`.

    - ``train/3/a.png``, ``valid/3/b.png``: what is in ``valid`` (or ``test``) is held out.
    - ``3/a.png``, or ``train`` alone: a quarter is held out, class by class.

    Parameters
    ----------
    path : the folder.
    seed : of the choice of the images held out.

    Returns
    -------
    Dataset of uint8 features, a grey image being height * width of them, a coloured one three
    times as many, `input_scale` 1/255. Classes are the folders' names, as integers where all are.

    Raises
    ------
    DataError
        If there are no images, if they differ in size or colour, if one is damaged, or if two
        folders are called the same number, as 7 and 007.
    InvalidTypeError
        If `path` is none.

    Examples
    --------
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("train/3", "train/7", "valid/3", "valid/7"):
    ...     (folder / name).mkdir(parents=True)
    ...     Image.new("L", (28, 28)).save(folder / name / "a.png")
    >>> data = load_image_folder(folder)
    >>> data.x_train.shape, data.x_test.shape, data.classes.tolist()
    ((2, 784), (2, 784), [3, 7])
    """
    folder = Path(check_path(path))
    parts = find_parts(folder)
    found = [{} if part is None else find_images(part) for part in parts or ()]
    if not found or not found[0]:
        raise DataError(
            f"{folder}: expected images in folders of classes, as train/3/a.png, got none"
        )
    names = sorted({name for part in found for name in part})
    classes: NDArray[Any] = np.array(names)
    if all(name.isascii() and name.isdigit() and len(name) < 19 for name in names):  # 64 bits
        names.sort(key=int)
        classes = np.array([int(name) for name in names])
        same = np.flatnonzero(classes[1:] == classes[:-1])
        if len(same):
            one, other = names[same[0]], names[same[0] + 1]
            raise DataError(
                f"{folder}: expected one name for class {int(one)}, got folders {one} and {other}"
            )
    code = {name: i for i, name in enumerate(names)}
    listed = [[(file, code[name]) for name in part for file in part[name]] for part in found]
    x = read_images([file for part in listed for file, _ in part])
    y = np.array([label for part in listed for _, label in part], np.int64)
    train, test = np.split(np.arange(len(y)), [len(listed[0])])
    if not listed[1]:
        train, test = hold_out(y, seed=seed)
    return Dataset(x[train], y[train], x[test], y[test], classes, 1 / 255, str(folder))


def _load_images(name: str) -> Dataset:
    """Read the four files of an MNIST-like set, wherever they are."""
    x_train, y_train, x_test, y_test = (
        _obtain(name, file, md5) for file, md5 in CHECKSUMS[name].items()
    )
    return Dataset(
        x_train.reshape(len(x_train), -1),
        y_train.astype(np.int64),
        x_test.reshape(len(x_test), -1),
        y_test.astype(np.int64),
        np.arange(10),
        1 / 255,
        name,
    )


def _obtain(name: str, file: str, md5: str) -> NDArray[Any]:
    """Read one file from `$FASTMLP_DATA`, the cache, or the network, in this order."""
    given = os.environ.get("FASTMLP_DATA")
    path = find_idx(Path(given, name), file) if given else None
    if path is None:
        folder = _cache() / name
        path = find_idx(folder, file)
        if path is None:
            return _download(name, file, md5, folder)
    return read_idx(path, md5=md5)


def _cache() -> Path:
    """Return the user's cache folder for fastmlp; it need not exist."""
    import pooch

    return Path(pooch.os_cache("fastmlp"))


def _download(name: str, file: str, md5: str, folder: Path) -> NDArray[Any]:
    """Download one file into a folder from the first mirror that has it right, and read it.

    The file is checked under a temporary name and takes its own only if it is right.
    """
    import pooch

    download = pooch.HTTPDownloader(chunk_size=1 << 16, timeout=TIMEOUT)
    failures: dict[str, str] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            partial = Path(temporary, f"{file}.gz")
            for mirror in MIRRORS[name] * ROUNDS:
                try:
                    download(f"{mirror}{partial.name}", str(partial), None)
                    values = read_idx(partial, md5=md5)
                except DataError as error:
                    failures[mirror] = str(error).removeprefix(f"{partial}: ")
                except OSError as error:  # every error of requests is one
                    failures[mirror] = _reason(error)
                else:
                    partial.replace(folder / partial.name)
                    return values
    except OSError as error:
        raise DataError(
            f"{folder}: expected a folder to download {file}.gz into, got: {_reason(error)}"
        ) from None
    tried = "; ".join(f"{mirror}: {reason}" for mirror, reason in failures.items())
    raise DataError(
        f"{file}.gz: expected to find it in $FASTMLP_DATA/{name} or {folder}, or to download it, "
        f"got {tried} (put the four {name} files into one of these folders)"
    )


def _reason(error: OSError) -> str:
    """Say in a word or two why a file could not be had."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    return error.strerror or type(error).__name__
