"""C1 to C9: from one weight to two layers, on numbers small enough to follow by hand.

Everything here is float64 and comes out the same on every machine.
"""

from typing import Any

import numpy as np
from first_steps import INPUTS, MATRIX, TRUTHS, descend, learn_one_by_one, two_layers

import autograd_cnn as ag

from .registry import Figure, Measurements, system


def exact(value: Any) -> Figure:
    """All digits are published; ours may differ by rounding on another machine."""
    return Figure(value, within=1e-12 * np.abs(value))


def rounded(value: Any, places: int) -> Figure:
    """Published with so many decimals."""
    return Figure(value, within=0.5 * 10**-places)


@system(
    "C1",
    {
        "one weight": exact(0.85),
        "three inputs": exact(0.98),
        "three outputs": exact([0.195, 0.13, 0.585]),
        "three inputs, three outputs": exact([0.555, 0.98, 0.965]),
        "two layers": exact([0.2135, 0.145, 0.5065]),
    },
    quick=True,
)
def forward_only() -> Measurements:
    """Predictions are weighted sums.

    Nothing is learned yet.
    """
    to_hidden = np.array([[0.1, 0.2, -0.1], [-0.1, 0.1, 0.9], [0.1, 0.4, 0.1]])
    to_outputs = np.array([[0.3, 1.1, -0.3], [0.1, 0.2, 0.0], [0.0, 1.3, 0.1]])
    toes, won, _ = INPUTS
    return {
        "one weight": ag.multiply(toes, 0.1),
        "three inputs": ag.matmul(INPUTS, np.array([0.1, 0.2, 0.0])),
        "three outputs": ag.multiply(won, np.array([0.3, 0.2, 0.9])),
        "three inputs, three outputs": ag.matmul(MATRIX, INPUTS),
        "two layers": ag.matmul(to_outputs, ag.matmul(to_hidden, INPUTS)),
    }


@system(
    "C2", {"last error": Figure(1.08e-27, 5e-30), "last prediction": Figure(0.8, 1e-12)}, quick=True
)
def hot_and_cold() -> Measurements:
    """Learning without a gradient: try both sides.

    1,101 times, a weight goes up or down by 0.001, whichever makes the error smaller.  The step
    never gets smaller, so it cannot end nearer to the goal than the steps happen to fall.
    """
    step = 0.001

    def predict(weight: float) -> float:
        return ag.multiply(0.5, weight)

    def error(weight: float) -> float:
        return (predict(weight) - 0.8) ** 2

    weight = 0.5
    for _ in range(1101):
        last = weight
        weight += step if error(weight + step) < error(weight - step) else -step
    return {"last error": error(last), "last prediction": predict(last)}


@system(
    "C3",
    {
        "20th prediction, input 0.5": exact(0.7976744445781151),
        "20th prediction, input 2": exact(-232452292.5999999),
        "20th prediction, input 2, rate 0.1": exact(0.8000121871948003),
    },
    quick=True,
)
def one_weight() -> Measurements:
    """Gradient descent on one weight, and too large a step.

    The weight starts at 0.5 and the prediction should be 0.8.  With input 2 the steps overshoot,
    further each time; a learning rate of 0.1 cures it.
    """

    def last_prediction(x: float, rate: float) -> Any:
        return x * descend(lambda weight: weight * x, 0.5, truth=0.8, rate=rate, steps=20)[-1]

    return {
        "20th prediction, input 0.5": last_prediction(0.5, rate=1.0),
        "20th prediction, input 2": last_prediction(2.0, rate=1.0),
        "20th prediction, input 2, rate 0.1": last_prediction(2.0, rate=0.1),
    }


@system(
    "C4",
    {
        "predictions": exact([0.8600000000000001, 0.9637574999999999, 0.9906177228125002]),
        "errors": rounded([0.0196, 0.0013135188, 0.0000880271], places=10),
    },
    quick=True,
)
def three_inputs() -> Measurements:
    """Gradient descent on three weights.

    The input of 8.5 has by far the largest part in the gradient and so decides the rate.
    """
    path = descend(lambda w: w @ INPUTS, [0.1, 0.2, -0.1], truth=1.0, rate=0.01, steps=3)
    return {"predictions": path @ INPUTS, "errors": (path @ INPUTS - 1.0) ** 2}


@system("C5", {"predictions": exact([0.86, 0.9382250000000001, 0.97274178125])}, quick=True)
def first_weight_frozen() -> Measurements:
    """The same with the first weight frozen.

    A frozen weight is a constant of the prediction.  Without it the rate can be 0.3, and the error
    goes to 0 by the other two weights.
    """
    frozen = 0.1 * INPUTS[0]
    path = descend(lambda w: frozen + w @ INPUTS[1:], [0.2, -0.1], truth=1.0, rate=0.3, steps=3)
    return {"predictions": frozen + path @ INPUTS[1:]}


@system(
    "C6",
    {
        "20th prediction": rounded([0.1418, 0.6169, 0.3136], places=4),
        "20th error": Figure([0.00174996, 0.14676437, 0.04561058], 1e-8),
    },
    quick=True,
)
def three_outputs() -> Measurements:
    """One input, three outputs.

    The second error is 0.87^2 * 0.95775^38 = 0.146764361710 to twelve digits, so its eighth is a 6
    where the article has a 7: the allowance is one unit of that digit.
    """
    path = descend(lambda w: w * INPUTS[1], [0.3, 0.2, 0.9], TRUTHS, rate=0.1, steps=20)
    prediction = path[-1] * INPUTS[1]
    return {"20th prediction": prediction, "20th error": (prediction - TRUTHS) ** 2}


@system(
    "C7",
    {
        "error, article's update": rounded([0.01126215, 0.00395760, 0.61745429], places=8),
        "error, true gradient": Figure([0, 0, 0], 1e-20, source="least"),
    },
    quick=True,
)
def three_inputs_three_outputs() -> Measurements:
    """Three inputs, three outputs, and a transposed gradient.

    The article subtracts outer(input, delta) and wonders why the error stalls.  The gradient is
    outer(delta, input).  Both are 3 x 3, so nothing complains.  The mistaken update is the
    gradient transposed; it changes nothing once delta is orthogonal to the input, whatever its
    size.  With the gradient as it is, the error goes to 0.
    """
    directions = {"error, article's update": np.transpose, "error, true gradient": np.asarray}
    measured = {}
    for name, direction in directions.items():
        path = descend(lambda w: w @ INPUTS, MATRIX, TRUTHS, 0.01, 2000, direction)
        measured[name] = (path[-1] @ INPUTS - TRUTHS) ** 2
    return measured


@system(
    "C8",
    {"error of the last two passes": exact([0.0006143435674831474, 0.00053373677328488])},
    quick=True,
)
def streetlights() -> Measurements:
    """Streetlights, one layer: which of three lights means walk?

    40 passes over six patterns, a step after each.  The error of a pass is the sum of its squared
    errors.
    """
    lights = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1], [1, 1, 1], [0, 1, 1], [1, 0, 1]], float)
    walk = np.array([0.0, 1, 0, 1, 1, 0])
    weights = ag.tensor(np.array([0.5, 0.48, -0.7]), requires_grad=True)
    examples = list(zip(lights, walk))
    errors = learn_one_by_one(lambda light: light @ weights, [weights], examples, 0.1, passes=40)
    return {"error of the last two passes": errors[-2:]}


@system(
    "C9",
    {
        "error after passes 10, 20, ..., 60": exact(
            [
                0.6342311598444467,
                0.35838407676317513,
                0.0830183113303298,
                0.006467054957103705,
                0.0003292669000750734,
                1.5055622665134859e-05,
            ]
        )
    },
    quick=True,
)
def streetlights_two_layers() -> Measurements:
    """Streetlights, two layers: when no single light decides.

    One says walk exactly when one of the first two lights is on, not both.  A layer of relu between
    makes that learnable.
    """
    return {"error after passes 10, 20, ..., 60": two_layers(60)[0][9::10]}
