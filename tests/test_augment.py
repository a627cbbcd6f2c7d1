"""Augmentation: what each setting does, measured; nothing at zero; the same numbers for the same seed."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_cnn import data
from autograd_cnn.data import augment

DTYPES = [np.uint8, np.float16, np.float32, np.float64]
ALL = {"degrees": 10, "shift": 2, "scale": 0.1, "shear": 5, "elastic": 1.0}


class Fixed(np.random.Generator):
    """Draws the same for every image: turn, slant, factor, down and right, as shares of the settings."""

    def __init__(self, **shares: float) -> None:
        super().__init__(np.random.PCG64(0))
        names = ("turn", "slant", "factor", "down", "right")
        self.shares = [[shares.get(name, 0.0)] for name in names]

    def uniform(self, low: float, high: float, size: tuple[int, int]) -> np.ndarray:
        assert (low, high) == (-1.0, 1.0)
        return np.tile(self.shares, size[1])


def pictures(n: int, c: int, h: int, w: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, c, h, w)).astype(dtype)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


sizes = st.tuples(st.integers(0, 4), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))


# ------------------------------------------------------------------------------ any images, any settings


@given(sizes, st.sampled_from(DTYPES), st.integers(0, 9))
def test_zero_settings_change_nothing(size: Any, dtype: Any, seed: int) -> None:
    images = pictures(*size, dtype)
    assert np.array_equal(augment.warp(images, rng(seed), fill=7), images)
    assert np.array_equal(augment.noise(images, rng(seed), 0), images)


@given(sizes, st.sampled_from(DTYPES), st.booleans())
def test_shape_dtype_layout_and_input_are_kept(size: Any, dtype: Any, strided: bool) -> None:
    images = pictures(*size, dtype)
    if strided:
        images = np.repeat(images, 2, axis=3)[:, :, ::-1, ::2]
    before = images.copy()
    images.flags.writeable = False
    for change in (partial(augment.warp, **ALL), partial(augment.noise, deviation=9)):
        result = change(images, rng())
        assert (result.shape, result.dtype) == (images.shape, images.dtype)
        assert result.transpose(1, 2, 3, 0).flags.c_contiguous
        assert np.array_equal(images, before)
        assert not np.shares_memory(result, images)
        assert np.array_equal(result, change(images, rng()))


@pytest.mark.parametrize("shape", [(2, 0, 3, 3), (2, 1, 0, 3), (2, 1, 3, 0)])
def test_no_channels_and_no_pixels(shape: tuple[int, ...]) -> None:
    assert augment.warp(np.zeros(shape), rng(), **ALL).shape == shape
    assert augment.noise(np.zeros(shape), rng(), 1).shape == shape


def test_images_are_changed_each_in_its_own_way_and_channels_together() -> None:
    images = np.repeat(pictures(1, 3, 12, 12), 6, axis=0)
    changes = [partial(augment.warp, **{setting: ALL[setting]}) for setting in ALL]
    for change in (*changes, partial(augment.noise, deviation=1.0)):
        changed = change(images, rng())
        assert len(np.unique(changed.reshape(6, -1), axis=0)) == 6, change
    warp = partial(augment.warp, **ALL)
    together = warp(images, rng())
    assert not np.array_equal(together, warp(images, rng(1)))
    for channel in range(3):
        some = slice(channel, channel + 1)
        assert np.array_equal(together[:, some], warp(images[:, some], rng()))


# ------------------------------------------------------------------------------------- single settings


@given(st.integers(-4, 4), st.integers(-4, 4), st.sampled_from(DTYPES))
def test_a_whole_shift_is_a_slice(down: int, right: int, dtype: Any) -> None:
    images = pictures(2, 2, 5, 7, dtype)
    framed = np.full((2, 2, 5 + 8, 7 + 8), 9, dtype)
    framed[:, :, 4:9, 4:11] = images
    expected = framed[:, :, 4 - down : 9 - down, 4 - right : 11 - right]
    shifted = augment.warp(images, Fixed(down=down / 4, right=right / 4), shift=4, fill=9)
    assert np.array_equal(shifted, expected)


def test_half_a_pixel_is_the_mean_of_two() -> None:
    images = np.array([[[[10, 20, 41]]]], np.uint8)
    moved = augment.warp(images, Fixed(right=-1), shift=0.5)
    assert moved.tolist() == [[[[15, 31, 21]]]]  # 30.5 and 20.5, rounded half up
    assert (augment.warp(images, Fixed(down=1), shift=1e9, fill=17) == 17).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_right_angles_turn_square_images_counter_clockwise(quarters: int, dtype: Any) -> None:
    images = pictures(2, 2, 6, 6, dtype)
    turned = augment.warp(images, Fixed(turn=1), degrees=90 * quarters)
    # The sine of a right angle in floating point is off by 1e-16, which moves a pixel by less than
    # 1e-15 of its width: at most 255e-15 in values up to 255, far below the spacing of the dtypes.
    np.testing.assert_allclose(turned, np.rot90(images, quarters, (2, 3)), rtol=0, atol=1e-12)


@given(
    st.floats(-80, 80), st.floats(-60, 60), st.floats(0.5, 1.5), st.floats(-3, 3), st.floats(-3, 3)
)
def test_affine_settings_are_this_matrix(
    degrees: float, shear: float, factor: float, down: float, right: float
) -> None:
    """A picture of its own coordinates shows where each pixel came from; bilinear interpolation of it is exact."""
    h, w = 9, 12
    coordinates = np.mgrid[0:h, 0:w][:, None].astype(float)  # (2, 1, H, W): images of y and of x
    coordinates = np.pad(
        coordinates, ((0, 0), (0, 0), (40, 40), (40, 40)), mode="reflect", reflect_type="odd"
    )
    shares = Fixed(
        turn=degrees / 80,
        slant=shear / 60,
        factor=(factor - 1) / 0.5,
        down=down / 3,
        right=right / 3,
    )
    found = augment.warp(coordinates, shares, degrees=80, shear=60, scale=0.5, shift=3)
    angle, slope = np.radians(degrees), np.tan(np.radians(shear))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])  # of (x, y)
    forward = turn @ (factor * np.array([[1, slope], [0, 1]]))
    centre = np.array([(w - 1) / 2, (h - 1) / 2])
    targets = np.stack(np.mgrid[0:h, 0:w][::-1], -1) - centre - [right, down]  # (H, W, 2) of (x, y)
    origins = targets @ np.linalg.inv(forward).T + centre
    inside = np.abs(origins - centre).max(axis=-1) < 40
    assert inside.all()
    x, y = found[1, 0, 40:-40, 40:-40], found[0, 0, 40:-40, 40:-40]
    # Positions up to 100 computed by another order of float64 operations.
    np.testing.assert_allclose(np.stack([x, y], -1), origins, rtol=0, atol=1e-11)


def test_settings_are_the_ends_of_even_distributions() -> None:
    """Each draw, read off pictures of coordinates, fills its interval and stays within."""
    n, size = 2000, 31
    y, x = (np.repeat(a[None, None].astype(float), n, axis=0) for a in np.mgrid[0:size, 0:size])
    middle = size // 2

    def read(image: np.ndarray, row: int, column: int, **settings: float) -> np.ndarray:
        return augment.warp(image, rng(), **settings)[:, 0, middle + row, middle + column] - middle

    turned = np.degrees(np.arctan2(read(y, 0, 10, degrees=30), read(x, 0, 10, degrees=30)))
    factor = 10 / read(x, 0, 10, scale=0.2) - 1
    slant = np.degrees(np.arctan(-read(x, 10, 0, shear=20) / 10))
    moved = [-read(a, 0, 0, shift=3) for a in (y, x)]
    for draws, limit in ((turned, 30), (factor, 0.2), (slant, 20), (moved[0], 3), (moved[1], 3)):
        assert np.abs(draws).max() <= limit * (1 + 1e-9)
        # An even distribution on +-1 has deviation 0.577 and mean 0; of 2,000 draws these are known
        # to 0.006 and 0.013: three deviations are allowed.
        assert abs(draws.std() / limit - 3**-0.5) < 0.018
        assert abs(draws.mean() / limit) < 0.039
    assert (
        abs(np.corrcoef([turned, factor, slant, *moved]) - np.eye(5)).max() < 0.09
    )  # each known to 0.022


@pytest.mark.parametrize("smoothness", [1.0, 2.5, 4.0, 7.3])
def test_elastic_displacements_have_the_deviation_and_the_correlation_that_is_said(
    smoothness: float,
) -> None:
    n, h, w, frame = 300, 16, 18, 8  # displacements stay below 5 deviations of 1.5
    grids = np.mgrid[-frame : h + frame, -frame : w + frame].astype(np.float32)
    images = np.repeat(grids[:, None], n, axis=1)[:, :, None]  # (2, N, 1, H, W)
    inner = (slice(None), 0, slice(frame, h + frame), slice(frame, w + frame))
    y, x = (
        (augment.warp(image, rng(1), elastic=1.5, smoothness=smoothness) - image)[inner] / 1.5
        for image in images
    )  # (N, H, W) each
    # 600 displacements at a pixel give the deviation to 3 %: 4.5 times that for the worst of 288.
    assert abs(np.sqrt(np.mean((x**2 + y**2) / 2, axis=0)) - 1).max() < 0.135
    for down, right in ((0, 0), (0, 1), (3, 0), (3, 4), (11, 0)):
        pairs = [(a[:, down:, right:], a[:, : h - down, : w - right]) for a in (x, y)]
        found = np.mean([(a * b).mean() for a, b in pairs])
        expected = np.exp(-(down**2 + right**2) / (4 * smoothness**2))
        # Fields of this smoothness have at least (h / 7.3) * (w / 7.3) = 5 free places, which makes
        # 3,000 independent products: their mean is known to 2.6 %, of which three are allowed.
        assert abs(found - expected) < 0.08
    assert abs((x * y).mean()) < 0.08  # rows and columns move apart


def test_noise_has_the_deviation_that_is_said() -> None:
    images = np.full((50, 2, 20, 20), 100.0)
    added = augment.noise(images, rng(), 12.0) - 100
    # 40,000 values: the deviation is known to 0.35 %, the mean to 0.06; four of these are allowed.
    assert abs(added.std() / 12 - 1) < 0.014
    assert abs(added.mean()) < 0.24
    edges = augment.noise(
        np.array([0, 255], np.uint8).reshape(2, 1, 1, 1).repeat(500, 3), rng(), 40
    )
    assert (edges[0] == 0).mean() == pytest.approx(0.5, abs=0.1)
    assert (edges[1] == 255).mean() == pytest.approx(0.5, abs=0.1)


# --------------------------------------------------------------------------------------- in the loader


def test_the_loader_augments_as_a_function_of_seed_epoch_and_step_then_transforms() -> None:
    train, _ = data.digits()
    change = partial(augment.warp, **ALL)
    plain = data.DataLoader(train, 100, shuffle=True, seed=5)
    loader = data.DataLoader(
        train, 100, shuffle=True, seed=5, augment=change, transform=lambda x, y: (x / 2, y)
    )
    plain.epoch = loader.epoch = 2
    for step, ((images, labels), (changed, same)) in enumerate(zip(plain, loader)):
        expected = change(images, np.random.default_rng([5, 2, step + 1]))
        assert np.array_equal(changed, expected / 2)
        assert np.array_equal(labels, same)
    bare = data.DataLoader(np.zeros(4), 2, seed=0, augment=lambda x, rng: x + rng.random())
    first = np.random.default_rng([0, 0, 1]).random()
    assert next(iter(bare)).tolist() == [first, first]
