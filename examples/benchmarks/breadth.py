"""The tables of --breadth (training) and --deploy (inference), as rows for bursts.py."""

from benchmarks import families, nets
from benchmarks.bursts import Bursts, Row

LEAST = {"others": 0.7}
"""The goals of the groups where it is not 1."""
COLOUR_GOALS = {1: 1.2, 32: 1.5, 128: 1.5}


class Breadth(Bursts):
    name = "breadth"
    title = "Forward and backward, or a step of training"

    def rows(self) -> list[Row]:
        found = []
        for group, rows in families.GROUPS.items():
            for family, (sizes, _) in rows.items():
                names = [f"{family}/{size}" for size in sizes.split()]
                goal = LEAST.get(group, 1.0)
                found += [Row(group, name, {"call": name}, ("torch",), goal) for name in names]
        for net in nets.COLOUR_NETS:
            for batch, goal in COLOUR_GOALS.items():
                row = network(net, batch, "train", slow=False)
                found.append(Row("training, 32 x 32 in colour", *row, ("torch",), goal))
        for net in ("A1", "B1", "LeNet", "MLP"):
            row = network(net, 1, "train", slow=True)
            found.append(Row("training at batch 1", *row, ("torch", "keras", "jax"), 1.2))
        return found


class Deploy(Bursts):
    name = "deploy"
    title = "Inference"

    def rows(self) -> list[Row]:
        peers = ("torch", "onnxruntime", "openvino")
        return [
            Row("inference", *network(net, batch, "infer", slow=True, trained=True), peers, 1.0)
            for net in ("A1", "B1", "S4", "LeNet", "MLP", "VGG-like")
            for batch in (1, 32, 128)
        ]


def network(net: str, batch: int, mode: str, **how: bool) -> tuple[str, dict[str, object]]:
    """A row's name, and what a worker needs to know."""
    return f"{net}/{batch}", {"net": net, "batch": batch, "mode": mode, "shape": {}, **how}
