"""Train the network that the page reads digits with, and write weights.npz beside this file.

  python docs/live/make_weights.py FOLDER     the folder with the four files of MNIST

It is the network of examples/mnist.py, trained for six epochs on MNIST and the embedded digits,
each of which counts five times.  Images are turned, scaled, shifted and bent a little, because
visitors draw less tidily.  Weights are float16.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "examples"))

from models import MODELS  # noqa: E402
from training import evaluate, fit  # noqa: E402

import autograd_cnn as ag  # noqa: E402
from autograd_cnn import data, optim  # noqa: E402
from autograd_cnn.data import augment  # noqa: E402

EPOCHS = 6


def main() -> None:
    train, test = data.mnist(sys.argv[1])
    others = data.digits().train
    train = data.Split(
        np.concatenate([train.images, *[others.images] * 5]),
        np.concatenate([train.labels, *[others.labels] * 5]),
    )
    ag.manual_seed(0)
    model = MODELS["cnn"]()
    change = partial(augment.warp, degrees=12, shift=2, scale=0.12, elastic=0.5)
    batches = data.DataLoader(train, 64, shuffle=True, drop_last=True, seed=0, augment=change)
    optimizer = optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = optim.OneCycleLR(
        optimizer, max_lr=0.05, total_steps=EPOCHS * len(batches), cycle_momentum=False
    )
    fit(model, optimizer, schedule, batches, test, EPOCHS)
    small = {
        k: v.astype(np.float16) if v.dtype == np.float32 else v
        for k, v in model.state_dict().items()
    }
    np.savez(HERE / "weights.npz", **small)
    model.load_state_dict({k: v.astype(model.state_dict()[k].dtype) for k, v in small.items()})
    print(f"weights.npz: {evaluate(model, test).accuracy:.2%} of the test images")


if __name__ == "__main__":
    main()
