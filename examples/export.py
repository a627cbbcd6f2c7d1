"""Write the network of a run of mnist.py as an ONNX file, and read the held-out images by it.

  python examples/export.py                  runs/mnist/weights.npz as runs/mnist/net.onnx
  python examples/export.py --data FOLDER --model best --out FOLDER

Give it the --data, --model and --out of that run.  ONNX Runtime, from the file, and PyTorch, with
the same weights, must read each held-out image as this package does, where they are installed.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))  # its neighbours, however it was started

import mnist
import numpy as np
from models import MODELS
from program import Parser, one_line
from training import evaluate, standardise

import autograd_cnn as ag
from autograd_cnn import nn

Read = Callable[[np.ndarray], np.ndarray]


def in_onnxruntime(path: Path, model: nn.Module) -> Read:
    """The scores that ONNX Runtime computes from the file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def in_torch(path: Path, model: nn.Module) -> Read:
    """The scores of the layers of the same names in PyTorch, with the same weights."""
    import torch

    layers = [eval(repr(layer), vars(torch.nn).copy()) for layer in model.children()]
    twin = torch.nn.Sequential(*layers).eval()
    twin.load_state_dict({name: torch.tensor(x) for name, x in model.state_dict().items()})

    def read(images: np.ndarray) -> Any:
        with torch.no_grad():
            return twin(torch.tensor(images)).numpy()

    return read


def main(arguments: list[str] | None = None) -> int:
    p = Parser("export.py", __doc__)
    p.add_argument("--data", metavar="WHERE", help="as for mnist.py")
    p.add_argument("--model", choices=MODELS, default="cnn", help="as for mnist.py")
    p.add_folder("--out", Path("runs/mnist"), "weights.npz, and the file")
    options = p.parse_args(arguments)
    model, weights = MODELS[options.model]().eval(), options.out / "weights.npz"
    if not weights.exists():
        p.error(f"{weights} is not there; train it first, with the same --model and --out")
    try:
        with weights.open("rb") as file, np.load(file) as held:
            model.load_state_dict(held)
        name, dataset = mnist.load(options.data)
        path = options.out / "net.onnx"
        ag.onnx.export(model, standardise(dataset.test.images[:2]), path)
    except (OSError, ValueError, ImportError, ag.data.DataError) as error:
        p.error(one_line(error))
    print(f"{path}: {path.stat().st_size:,} bytes")
    images = np.ascontiguousarray(standardise(dataset.test.images))
    own, differ = evaluate(model, dataset.test).predicted, 0
    for kind, opened in (("ONNX Runtime", in_onnxruntime), ("PyTorch", in_torch)):
        try:
            read = opened(path, model)
        except ImportError:
            print(f"{kind} is not installed here")
            continue
        parts = [read(images[k : k + 500]) for k in range(0, len(images), 500)]
        count = int((np.concatenate(parts).argmax(axis=1) != own).sum())
        print(f"{kind}: {len(own) - count:,} of {len(own):,} images of {name} read the same")
        differ += count
    return min(differ, 1)


if __name__ == "__main__":
    sys.exit(main())
