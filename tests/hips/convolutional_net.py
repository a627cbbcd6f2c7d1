"""Convolution and pooling written with slices, with all weights in one vector."""

import autograd_cnn.compat.autograd.numpy.random as npr

import autograd_cnn.compat.autograd.numpy as np
from autograd_cnn.compat.autograd import value_and_grad
from autograd_cnn.compat.autograd.scipy.special import logsumexp


class Slots:
    """Names for parts of a vector."""

    def __init__(self):
        self.slots, self.size = {}, 0

    def add(self, name, shape):
        end = self.size + int(np.prod(shape))
        self.slots[name] = (slice(self.size, end), shape)
        self.size = end

    def get(self, vector, name):
        place, shape = self.slots[name]
        return np.reshape(vector[place], shape)


def convolve(images, filters):  # (N, C, H, W), (C, F, K, K) -> (N, F, H - K + 1, W - K + 1)
    size = filters.shape[-1]
    height, width = images.shape[2] - size + 1, images.shape[3] - size + 1
    windows = [
        images[:, :, a : a + height, b : b + width] for a in range(size) for b in range(size)
    ]
    stacked = np.stack(windows, axis=-1)
    flat = np.reshape(filters, (filters.shape[0], filters.shape[1], size * size))
    return np.einsum("nchwk,cfk->nfhw", stacked, flat)


def pool(images):
    n, c, h, w = images.shape
    return np.max(np.max(np.reshape(images, (n, c, h // 2, 2, w // 2, 2)), axis=3), axis=4)


def run():
    rng = npr.RandomState(1)
    slots = Slots()
    slots.add("filters", (1, 3, 3, 3))
    slots.add("bias", (1, 3, 1, 1))
    slots.add("weights", (27, 2))
    slots.add("offset", (2,))
    images = rng.rand(24, 1, 8, 8) * 0.3
    labels = np.arange(24) % 2
    for image, label in zip(images, labels):
        place = rng.randint(1, 7)
        if label:
            image[0, place, :] += 1.0
        else:
            image[0, :, place] += 1.0
    one_hot = np.equal(labels[:, None], np.arange(2)).astype(float)

    def loss(vector):
        hidden = convolve(images, slots.get(vector, "filters")) + slots.get(vector, "bias")
        hidden = pool(np.maximum(hidden, 0.0))
        scores = np.dot(hidden.reshape((24, -1)), slots.get(vector, "weights"))
        scores = scores + slots.get(vector, "offset")
        chances = scores - logsumexp(scores, axis=1, keepdims=True)
        return -np.mean(np.sum(chances * one_hot, axis=1)) + 1e-3 * np.sum(vector**2)

    start = 0.3 * rng.randn(slots.size)
    vector, velocity, losses = start, np.zeros(slots.size), []
    step = value_and_grad(loss)
    for _ in range(30):
        value, slope = step(vector)
        velocity = 0.9 * velocity - 0.05 * slope
        vector = vector + velocity
        losses.append(value)
    return loss, start, losses, vector
