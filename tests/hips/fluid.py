"""A smoke simulation whose first wind is found so that the smoke ends in a given shape."""

import autograd_cnn.compat.autograd.numpy.random as npr

import autograd_cnn.compat.autograd.numpy as np
from autograd_cnn.compat.autograd import checkpoint, value_and_grad

SIDE, STEPS = 8, 4


def project(vx, vy):
    """The wind without sources, by a few sweeps of Jacobi's method."""
    pressure = np.zeros(vx.shape)
    h = 1.0 / SIDE
    source = -0.5 * h * (
        np.roll(vx, -1, axis=0) - np.roll(vx, 1, axis=0)
        + np.roll(vy, -1, axis=1) - np.roll(vy, 1, axis=1)
    )  # fmt: skip
    for _ in range(5):
        around = [np.roll(pressure, n, axis=a) for a in (0, 1) for n in (1, -1)]
        pressure = (source + around[0] + around[1] + around[2] + around[3]) / 4.0
    vx = vx - 0.5 * (np.roll(pressure, -1, axis=0) - np.roll(pressure, 1, axis=0)) / h
    vy = vy - 0.5 * (np.roll(pressure, -1, axis=1) - np.roll(pressure, 1, axis=1)) / h
    return vx, vy


def advect(field, vx, vy):
    """The field moved along the wind, by linear interpolation where it comes from."""
    rows, columns = vx.shape
    ys, xs = np.meshgrid(np.arange(rows), np.arange(columns))
    x, y = (xs - vx).ravel(), (ys - vy).ravel()
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, low = x - left, y - top
    a, b = np.mod(left, rows), np.mod(left + 1, rows)
    c, d = np.mod(top, columns), np.mod(top + 1, columns)
    out = (1.0 - right) * ((1.0 - low) * field[a, c] + low * field[a, d])
    out = out + right * ((1.0 - low) * field[b, c] + low * field[b, d])
    return np.reshape(out, (rows, columns))


def step(state):
    vx, vy, smoke = state[0], state[1], state[2]
    vx, vy = project(advect(vx, vx, vy), advect(vy, vx, vy))
    return np.array([vx, vy, advect(smoke, vx, vy)])


def run():
    rng = npr.RandomState(5)
    smoke = np.zeros((SIDE, SIDE))
    smoke[2:5, 2:5] = 1.0
    goal = np.roll(smoke, (1, 2), (0, 1))

    def distance(params):
        wind = np.reshape(params, (2, SIDE, SIDE))
        state = np.stack([*project(wind[0], wind[1]), smoke])
        for n in range(STEPS):
            state = checkpoint(step)(state) if n else step(state)
        return np.mean((goal - state[2]) ** 2)

    start = 0.1 * rng.randn(2 * SIDE * SIDE)
    params, losses = start, []
    for _ in range(6):
        value, slope = value_and_grad(distance)(params)
        losses.append(value)
        params = params - 2.0 * slope
    return distance, start, losses, params
