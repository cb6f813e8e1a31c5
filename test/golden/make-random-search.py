"""Writes random-search.json: where random search takes small networks, in float64.

    /usr/bin/python3 test/golden/make-random-search.py

Made with PyTorch 1.13, which has no such optimizer: it gives the losses. Matyas 1965, "Random optimization" (Automation and Remote Control 26), in its first
form: w + η·z takes the place of w if its loss is smaller, z standard normal, drawn as philox.py says. The tests read the JSON only. A network is
inputs → tanh units → outputs, its loss the mean over all rows at once. Values come from Park & Miller's generator: inputs (row by row), targets, or labels
that are ⌊|value|·outputs⌋, then each layer's weights (inputs, units) and biases.
"""
import json
import os

import torch
import torch.nn.functional as F

from noise import Noise, digits
from philox import normal

torch.set_default_dtype(torch.float64)
ROWS, INPUTS, OUTPUTS = 24, 3, 2

CASES = [
    {"optimizer": {"type": "random_search", "learning_rate": 0.1}, "loss": "mse", "units": 5, "steps": 40, "seed": 1},
    {"optimizer": {"type": "random_search", "learning_rate": 0.3}, "loss": "cross_entropy", "units": 4, "steps": 40, "seed": 2**33 + 5},
]


def run(case):
    noise = Noise(1)
    x = noise.tensor((ROWS, INPUTS))
    if case["loss"] == "mse":
        target, loss_of = noise.tensor((ROWS, OUTPUTS)), F.mse_loss
    else:
        target, loss_of = (noise.tensor((ROWS,)).abs() * OUTPUTS).floor().long(), F.cross_entropy
    shapes = [(INPUTS, case["units"]), (case["units"],), (case["units"], OUTPUTS), (OUTPUTS,)]
    weights = [noise.tensor(shape) for shape in shapes]
    loss_at = lambda w: float(loss_of((x @ w[0] + w[1]).tanh() @ w[2] + w[3], target))
    losses, kept = [loss_at(weights)], 0
    for step in range(case["steps"]):
        tried = [w + case["optimizer"]["learning_rate"] * z for w, z in zip(weights, normal(shapes, step, case["seed"]))]
        loss = loss_at(tried)
        assert abs(loss / losses[-1] - 1) > 1e-4, "so near that float32 may decide otherwise"
        if loss < losses[-1]:
            weights, kept = tried, kept + 1
        losses.append(min(loss, losses[-1]))
    print(f"{kept} of {case['steps']} kept")
    names = ["hidden.weight", "hidden.bias", "output.weight", "output.bias"]
    return {**case, "losses": [float(f"{loss:.9g}") for loss in losses], "final": {name: digits(w, 9) for name, w in zip(names, weights)}}


if __name__ == "__main__":
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "random-search.json"), "w") as file:
        cases = ",\n".join("  " + json.dumps(run(case)) for case in CASES)
        file.write(f"[\n{cases}\n]\n")
