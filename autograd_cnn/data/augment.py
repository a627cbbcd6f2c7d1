"""Random changes of image batches that keep their labels true: warping and noise.

Every function takes images (N, C, H, W), a NumPy generator and settings, and returns new images of
the same dtype.  Each image gets its own random numbers.  Bind the settings with `partial` to use a
function as `DataLoader(augment=...)`:

>>> from functools import partial
>>> train, _ = ag.data.digits()
>>> turned = partial(warp, degrees=10, shift=2, scale=0.1, elastic=1)
>>> loader = ag.data.DataLoader(train, batch_size=32, shuffle=True, seed=1, augment=turned)
>>> images, labels = next(iter(loader))
>>> images.shape, images.dtype
((32, 1, 28, 28), dtype('uint8'))

Results lie in memory as (C, H, W, N), the order in which convolution is fastest.
"""

from __future__ import annotations

import math

import numpy as np

from autograd_cnn.checks import mistake, number

__all__ = ["noise", "warp"]
__dir__ = __all__.copy


def warp(
    images: np.ndarray,
    rng: np.random.Generator,
    *,
    degrees: float = 0.0,
    shift: float = 0.0,
    scale: float = 0.0,
    shear: float = 0.0,
    elastic: float = 0.0,
    smoothness: float = 4.0,
    fill: float = 0.0,
) -> np.ndarray:
    """Rotate, shift, scale, shear and bend images at random, in a single interpolation.

    `images` (N, C, H, W) are uint8 or floating.  The channels of an image move together.  Each
    image draws uniformly an angle within ``+-degrees`` (counter-clockwise), a shift within
    ``+-shift`` pixels along each axis, a factor within ``1 +- scale`` and a slant within
    ``+-shear`` degrees.  All but the shift leave the centre of the image in place.

    `elastic` bends the image: every pixel moves along each axis by a normal displacement with this
    standard deviation in pixels.  The displacements are white noise smoothed by a Gaussian of
    deviation `smoothness`.  Simard, Steinkraus and Platt (2003) use about ``elastic=1.4,
    smoothness=4``.

    The interpolation is bilinear.  Pixels outside the image are `fill`.  uint8 results are rounded.

    >>> image = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    >>> rng = np.random.default_rng(0)
    >>> bool((warp(image, rng) == image).all())
    True
    >>> warp(image, rng, degrees=180, shift=1, elastic=0.5).shape
    (1, 1, 3, 3)
    """
    _check_images("warp", images, rng)
    for name, value, least, below in (
        ("degrees", degrees, 0, math.inf),
        ("shift", shift, 0, math.inf),
        ("scale", scale, 0, 1),
        ("shear", shear, 0, 90),
        ("elastic", elastic, 0, math.inf),
        ("smoothness", smoothness, 1, math.inf),
    ):
        number("warp", name, value, least, below=below)
    limits = np.iinfo if images.dtype == np.uint8 else np.finfo
    if not limits(images.dtype).min <= fill <= limits(images.dtype).max:
        raise ValueError(f"warp: fill must be a {images.dtype} value, got {fill!r}")
    n, _, h, w = images.shape
    dtype = np.result_type(images.dtype, np.float32)  # float32 for uint8 and float16
    rows, columns = _affine_origins(rng, n, h, w, (degrees, shift, scale, shear), dtype)
    if elastic:
        bend = _smooth_noise(rng, n, h, w, smoothness, dtype)  # (2, H, W, N)
        bend *= elastic
        rows += bend[0]
        columns += bend[1]
    return _like(images, _interpolated(images, rows, columns, fill))


def noise(images: np.ndarray, rng: np.random.Generator, deviation: float) -> np.ndarray:
    """Add normal noise of standard deviation `deviation` to every value.

    `deviation` is in the units of the images: 25.5 for uint8 is 0.1 for images in 0..1.  uint8
    results are rounded and limited to 0..255.

    >>> grey = np.full((2, 1, 28, 28), 100, np.uint8)
    >>> noisy = noise(grey, np.random.default_rng(0), deviation=10)
    >>> noisy.shape, noisy.dtype, round(float(noisy.std()))
    ((2, 1, 28, 28), dtype('uint8'), 10)
    """
    _check_images("noise", images, rng)
    number("noise", "deviation", deviation, 0)
    inner = images.transpose(1, 2, 3, 0)  # (C, H, W, N)
    dtype = np.result_type(images.dtype, np.float32)
    added = rng.standard_normal(inner.shape, dtype)
    added *= deviation
    added += inner
    return _like(images, added)


def _affine_origins(
    rng: np.random.Generator, n: int, h: int, w: int, ranges: tuple[float, ...], dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """The source rows and columns of each pixel, each (H, W, N).

    With p seen from the centre, the image moves by ``p -> R S K p + t`` (turn, scale, slant), so
    a pixel at q comes from ``K^-1 S^-1 R^-1 (q - t)``.
    """
    degrees, shift, scale, shear = ranges
    turn, slant, factor, down, right = rng.uniform(-1.0, 1.0, (5, n))
    angle, slope = np.radians(degrees * turn), np.tan(np.radians(shear * slant))
    factor = 1.0 + scale * factor
    cos, sin = np.cos(angle) / factor, np.sin(angle) / factor
    middle_row, middle_column = (h - 1) / 2, (w - 1) / 2
    y = np.arange(h)[:, None] - middle_row - shift * down  # (H, N)
    x = np.arange(w)[:, None] - middle_column - shift * right  # (W, N)
    # Rows count downwards: counter-clockwise turns (x, y) to (x cos + y sin, y cos - x sin).
    in_rows = y * cos + middle_row, x * sin
    in_columns = -y * (sin + slope * cos) + middle_column, x * (cos - slope * sin)
    rows, columns = (a[:, None].astype(dtype) + b.astype(dtype) for a, b in (in_rows, in_columns))
    return rows, columns  # (H, W, N) each


def _smooth_noise(
    rng: np.random.Generator, n: int, h: int, w: int, smoothness: float, dtype: np.dtype
) -> np.ndarray:
    """Two fields for each image, (2, H, W, N): smooth normal noise of deviation 1."""
    along_rows, along_columns = _smoothing(h, smoothness), _smoothing(w, smoothness)
    knots = (along_rows.shape[1], along_columns.shape[1])
    coarse = rng.standard_normal((2, knots[0], knots[1] * n), dtype)
    half = along_rows.astype(dtype) @ coarse  # (2, H, knots * N)
    return along_columns.astype(dtype) @ half.reshape(2, h, knots[1], n)  # (2, H, W, N)


def _smoothing(size: int, smoothness: float) -> np.ndarray:
    """Weights (size, knots) that make values along an axis from noise at knots `smoothness` apart.

    They are Gaussian in the distance and reach 3 deviations beyond the ends.  Each row has length
    1, which keeps the deviation at 1.
    """
    knots = np.arange(-3, math.ceil((size - 1) / smoothness) + 4) * smoothness
    distance = np.arange(size)[:, None] - knots
    weights = np.exp(-0.5 * (distance / smoothness) ** 2)
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)


def _interpolated(
    images: np.ndarray, rows: np.ndarray, columns: np.ndarray, fill: float
) -> np.ndarray:
    """The images' values at rows and columns (H, W, N), as (C, H, W, N) of the rows' dtype."""
    n, c, h, w = images.shape
    # A frame of `fill`: one pixel before and two after, because places up to h and w occur.
    framed = np.full((c, h + 3, w + 3, n), fill, rows.dtype)
    framed[:, 1 : h + 1, 1 : w + 1] = images.transpose(1, 2, 3, 0)
    row, down = _split(rows, h)
    column, right = _split(columns, w)
    row *= w + 3
    row += column
    row *= n
    row += np.arange(n)  # the place of the upper left neighbour in (H + 3, W + 3, N)
    result = np.empty((c, *rows.shape), rows.dtype)
    for channel, out in zip(framed.reshape(c, (h + 3) * (w + 3) * n), result):
        upper = _between(channel, row, n, right)
        lower = _between(channel[(w + 3) * n :], row, n, right)
        lower -= upper
        lower *= down
        np.add(upper, lower, out=out)
    return result


def _split(places: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Places along an axis as whole steps from the frame's edge and fractions in 0..1."""
    inside = np.clip(places, -1, size)
    whole = np.floor(inside)
    inside -= whole
    whole += 1
    return whole.astype(np.intp), inside


def _between(values: np.ndarray, at: np.ndarray, step: int, share: np.ndarray) -> np.ndarray:
    """Interpolation between values[at] and values[at + step]."""
    first = values.take(at, mode="clip")  # in bounds anyway, and faster than mode="raise"
    second = values[step:].take(at, mode="clip")
    second -= first
    second *= share
    first += second
    return first


def _like(images: np.ndarray, result: np.ndarray) -> np.ndarray:
    """`result` (C, H, W, N) in the dtype and with the axes of `images`, rounded for uint8."""
    if images.dtype == np.uint8:
        result += 0.5
        np.clip(result, 0, 255, out=result)
    return result.astype(images.dtype, copy=False).transpose(3, 0, 1, 2)  # (N, C, H, W)


def _check_images(name: str, images: np.ndarray, rng: np.random.Generator) -> None:
    if not isinstance(images, np.ndarray):
        raise mistake(name, "images", "an array, such as tensor.numpy()", images)
    if images.dtype not in (np.uint8, np.float16, np.float32, np.float64):
        raise TypeError(f"{name}: images must be uint8 or floating, got {images.dtype}")
    if images.ndim != 4:
        hint = "; add a channel axis with x[:, None]" if images.ndim == 3 else ""
        raise ValueError(f"{name}: images must have shape (N, C, H, W), got {images.shape}{hint}")
    if not isinstance(rng, np.random.Generator):
        raise mistake(name, "rng", "a generator such as np.random.default_rng(seed)", rng)
