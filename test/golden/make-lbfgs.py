"""Writes lbfgs.json: where PyTorch's L-BFGS, with its line search, takes small networks, in float64.

    /usr/bin/python3 test/golden/make-lbfgs.py

Made with PyTorch 1.13. The tests read the JSON only. A network is inputs → tanh units (none: linear) → 1 output, under the mean squared error of
all rows at once. They go no further than rounding to float32 lets two runs agree: a search multiplies what it is off by. Data and weights come from Park & Miller's generator, as in make-optimizers.py: inputs (row by row), targets, then each layer's
weights (inputs, units) and biases.
"""
import json
import os

import torch

from noise import Noise

torch.set_default_dtype(torch.float64)
ROWS = 24


CASES = [
    # a quadratic whose axes differ by a factor of 100 in curvature
    {"optimizer": {"type": "lbfgs", "history": 10, "max_iterations": 3}, "scales": [1, 3, 10], "units": 0, "steps": 4},
    {"optimizer": {"type": "lbfgs", "history": 2, "max_iterations": 4}, "scales": [1, 1, 1], "units": 5, "steps": 5},
    {"optimizer": {"type": "lbfgs", "history": 10, "max_iterations": 12, "learning_rate": 0.5}, "scales": [1, 2, 3],
     "units": 4, "steps": 1},
]


def run(case):
    noise = Noise(1)
    inputs, units = len(case["scales"]), case["units"]
    x = (noise.tensor((ROWS, inputs)) * torch.tensor(case["scales"], dtype=torch.float64)).float().double()
    t = noise.tensor((ROWS, 1))
    widths = [inputs, units, 1] if units > 0 else [inputs, 1]
    parameters = []
    for a, b in zip(widths, widths[1:]):
        parameters += [noise.tensor((a, b)).requires_grad_(), noise.tensor((b,)).requires_grad_()]
    spec = case["optimizer"]
    optimizer = torch.optim.LBFGS(parameters, lr=spec.get("learning_rate", 1), max_iter=spec["max_iterations"],
                                  history_size=spec["history"], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        y = x @ parameters[0] + parameters[1]
        if units > 0:
            y = y.tanh() @ parameters[2] + parameters[3]
        loss = ((y - t) ** 2).mean()
        loss.backward()
        return loss

    losses = [float(optimizer.step(closure)) for _ in range(case["steps"])]
    return {**case, "losses": losses + [float(closure())]}


if __name__ == "__main__":
    cases = ",\n".join("  " + json.dumps(run(case)) for case in CASES)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "lbfgs.json"), "w") as file:
        file.write(f"[\n{cases}\n]\n")
