"""What the page computes: reading a drawn digit, what each layer sees, and training.

It runs in the browser in Pyodide, and unchanged in any Python with autograd_cnn.  Results are plain
lists and numbers, which become JSON.
"""

import time

import numpy as np

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim

SIZE, BOX = 28, 20  # pixels of an image, and of the square that a digit fills, as in MNIST
MEAN, DEVIATION = 0.1307, 0.3081  # of all pixels of MNIST between 0 and 1


def two_blocks():
    """The network of examples/mnist.py: 73,634 weights."""
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 5, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 32, 5, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def one_convolution():
    """Eight filters, a pool of 4 x 4, and one linear layer: 3,098 weights."""
    layers = nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(288, 10)
    return nn.Sequential(*layers)


def no_convolution():
    """One hidden layer of 64 values: 50,890 weights."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))


NETWORKS = {f.__name__: f for f in (one_convolution, two_blocks, no_convolution)}


def prepared(drawing):
    """A drawing uint8 (H, W), 255 where there is ink, as MNIST has its digits: (28, 28) in 0..1.

    What is drawn is scaled into 20 x 20 pixels, and its centre of mass is put into the middle.
    """
    rows, columns = np.flatnonzero(drawing.any(1)), np.flatnonzero(drawing.any(0))
    if not len(rows):
        return np.zeros((SIZE, SIZE), np.float32)
    ink = drawing[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] / 255.0
    scale = BOX / max(ink.shape)
    high, wide = (max(1, round(n * scale)) for n in ink.shape)
    ink = shares(ink.shape[0], high) @ ink @ shares(ink.shape[1], wide).T
    total = ink.sum()
    places = []
    for length, axis in ((high, 1), (wide, 0)):
        middle = (ink.sum(axis) * (np.arange(length) + 0.5)).sum() / total
        places.append(int(np.clip(round(SIZE / 2 - middle), 0, SIZE - length)))
    image = np.zeros((SIZE, SIZE), np.float32)
    image[places[0] : places[0] + high, places[1] : places[1] + wide] = ink
    return np.clip(image, 0, 1)


def shares(many, few):
    """The matrix (few, many) that averages `many` pixels into `few`."""
    edges = np.arange(few + 1) * many / few
    low, high = edges[:-1, None], edges[1:, None]
    pixels = np.arange(many)
    covered = np.minimum(high, pixels + 1) - np.maximum(low, pixels)
    return np.maximum(covered, 0) * few / many


def standardised(images):
    """Images (N, 28, 28) in 0..1 as the networks take them: (N, 1, 28, 28)."""
    return ((np.asarray(images, np.float32) - MEAN) / DEVIATION)[:, None]


def numbers(array):
    """An array as nested lists of numbers with four digits; NaN and infinities are None."""

    def number(x):
        return float(f"{x:.4g}") if np.isfinite(x) else None

    return np.vectorize(number, otypes=[object])(np.asarray(array)).tolist()


class Lab:
    """The network that reads, the one in training, and the digits of the visitor."""

    def __init__(self, weights):
        """`weights` is the path of the weights of `two_blocks`, float16."""
        self.trained = two_blocks().eval()
        with np.load(weights) as file:
            state = {k: v.astype("f4") if v.dtype == "f2" else v for k, v in file.items()}
        self.trained.load_state_dict(state)
        digits = ag.data.digits()
        self.images, self.labels = digits.train.images[:, 0] / np.float32(255), digits.train.labels
        self.held_out = standardised(digits.test.images[:, 0] / np.float32(255)), digits.test.labels
        self.taught = []  # images and labels of the visitor
        self.network = None

    def example(self, number):
        """A held-out digit as a drawing uint8 (28, 28), and its label."""
        images, labels = self.held_out
        image = images[number % len(labels), 0] * DEVIATION + MEAN
        return {
            "image": np.clip(np.rint(image * 255), 0, 255).astype(int).tolist(),
            "label": int(labels[number % len(labels)]),
        }

    def model(self, own):
        """The network in training if `own` and there is one, else the trained one."""
        return self.network if own and self.network is not None else self.trained

    def look(self, image, own=False):
        """What a network makes of an image (28, 28): chances, maps of each layer, and saliency.

        Saliency is the gradient of the score of the answer with respect to the pixels.
        """
        model, was = self.model(own), self.model(own).training
        model.eval()
        x = ag.tensor(standardised([image]), requires_grad=True)
        layers, h = [], x
        for name, layer in model.named_children():
            h = layer(h)
            if h.ndim == 4:
                kind = type(layer).__name__
                layers.append({"name": kind, "layer": int(name), "maps": numbers(h.numpy()[0])})
        answer = int(h.numpy()[0].argmax())
        (saliency,) = ag.grad(h[0, answer], x)
        chances = F.softmax(h, dim=1).numpy()[0]
        model.train(was)
        return {
            "image": numbers(image),
            "chances": numbers(chances),
            "answer": answer,
            "layers": layers,
            "saliency": numbers(saliency.numpy()[0, 0]),
        }

    def story(self, image, layer, filter_, row, column, own=False):
        """How one value of a convolution came about, and where its gradient goes.

        The window of the input, the filter, their products and the bias, of every channel; and
        the gradient of the value with respect to the pixels of the image.
        """
        model, was = self.model(own), self.model(own).training
        model.eval()
        x = ag.tensor(standardised([image]), requires_grad=True)
        before = model[:layer](x) if layer else x
        conv = model[layer]
        value = conv(before)[0, filter_, row, column]
        weights = conv.weight.numpy()[filter_]
        high, wide = weights.shape[1:]
        window = before.numpy()[0, :, row : row + high, column : column + wide]
        (gradient,) = ag.grad(value, x)
        model.train(was)
        bias = 0.0 if conv.bias is None else float(conv.bias.numpy()[filter_])
        return {
            "window": numbers(window),
            "filter": numbers(weights),
            "products": numbers(window * weights),
            "bias": bias,
            "value": float(value.numpy()),
            "gradient": numbers(gradient.numpy()[0, 0]),
        }

    def teach(self, image, label):
        """Keep a drawn image (28, 28) with its label for training; returns how many there are."""
        self.taught.append((np.asarray(image, np.float32), int(label)))
        return len(self.taught)

    def begin(self, name, rate, batch_size=32, seed=0):
        """A new network for training; returns its number of weights."""
        ag.manual_seed(seed)
        self.network = NETWORKS[name]()
        self.optimizer = optim.SGD(self.network.parameters(), lr=rate, momentum=0.9, nesterov=True)
        self.batch_size, self.steps, self.order = batch_size, 0, []
        self.random = np.random.default_rng(seed)
        return sum(p.size for p in self.network.parameters())

    def set_rate(self, rate):
        """The learning rate from the next step on."""
        self.optimizer.param_groups[0]["lr"] = rate

    def train(self, seconds=0.1):
        """Train for about so many seconds, at least one step: the loss of each, and the epoch.

        A digit of the visitor counts as ten, each shifted by up to two pixels.
        """
        images, labels = [*self.images], [*self.labels]
        for image, label in self.taught:
            for down, right in self.random.integers(-2, 3, (10, 2)):
                images.append(np.roll(image, (down, right), (0, 1)))
                labels.append(label)
        losses, end = [], time.perf_counter() + seconds
        self.network.train()
        while not losses or time.perf_counter() < end:
            if len(self.order) < self.batch_size:
                self.order = self.random.permutation(len(labels)).tolist()
            chosen = [self.order.pop() for _ in range(self.batch_size)]
            x = standardised([images[k] for k in chosen])
            loss = F.cross_entropy(self.network(x), np.array([labels[k] for k in chosen]))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(float(loss))
            self.steps += 1
            if not np.isfinite(losses[-1]):
                break
        epoch = self.steps * self.batch_size / len(labels)
        return {"losses": numbers(losses), "epoch": epoch, "steps": self.steps}

    def accuracy(self):
        """The share of the held-out digits that the network in training reads."""
        images, labels = self.held_out
        with ag.no_grad():
            answers = self.network.eval()(images).numpy().argmax(1)
        return float((answers == labels).mean())
