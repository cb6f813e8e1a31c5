"""Writes activations.json: PyTorch's activation functions and their gradients in float64, on 12 rows of 5 numbers.

    /usr/bin/python3 test/golden/make-activations.py

Made with PyTorch 1.13. The tests read the JSON only. A case's `activation` is written as in a job spec, with what is left out standing
at PyTorch's default; `dx` is dL/dx where dL/dy is `dy`.
"""
import json
import os

import torch
import torch.nn.functional as F

from noise import digits

COLUMNS = 5
# zero, the neighbourhood of zero, every kink and both of its sides, and where exponentials over- and underflow
MAGNITUDES = [1e-40, 1e-30, 1e-6, 0.01, 0.1, 0.3, 0.5, 0.8, 0.99, 1, 1.01, 1.3, 1.7, 2, 2.5, 2.99, 3, 3.01, 4, 5, 5.9, 6, 6.1, 9, 15,
              20, 20.5, 88, 105, 1e4]
VALUES = [sign * m for m in MAGNITUDES for sign in (1, -1)]
VALUES[VALUES.index(-1e-40)] = 0.0

CASES = [
    ({"type": "linear"}, lambda x: x * 1),
    ({"type": "relu"}, F.relu),
    ({"type": "leaky_relu"}, F.leaky_relu),
    ({"type": "leaky_relu", "alpha": 0.2}, lambda x: F.leaky_relu(x, 0.2)),
    ({"type": "relu6"}, F.relu6),
    ({"type": "elu"}, F.elu),
    ({"type": "elu", "alpha": 0.4}, lambda x: F.elu(x, 0.4)),
    ({"type": "selu"}, F.selu),
    ({"type": "gelu"}, F.gelu),
    ({"type": "gelu", "approximate": "tanh"}, lambda x: F.gelu(x, approximate="tanh")),
    ({"type": "silu"}, F.silu),
    # not F.hardswish: in 1.13 its gradient at ±3 is not that of today, and differs between its kernels
    ({"type": "hard_silu"}, lambda x: x * F.hardsigmoid(x)),
    ({"type": "mish"}, F.mish),
    ({"type": "softplus"}, F.softplus),
    ({"type": "softsign"}, F.softsign),
    ({"type": "sigmoid"}, torch.sigmoid),
    ({"type": "hard_sigmoid"}, F.hardsigmoid),
    ({"type": "tanh"}, torch.tanh),
    ({"type": "hard_tanh"}, F.hardtanh),
    ({"type": "softmax"}, lambda x: F.softmax(x, -1)),
    ({"type": "log_softmax"}, lambda x: F.log_softmax(x, -1)),
]


if __name__ == "__main__":
    count = len(VALUES)
    # scattered, so that a row holds large and small numbers; as float32 has them
    x = torch.tensor([VALUES[i * 17 % count] for i in range(count)]).double().reshape(-1, COLUMNS)
    dy = torch.tensor([(i * 7 % 11 - 4.5) / 4 for i in range(count)]).double().reshape(-1, COLUMNS)
    lines = []
    for activation, function in CASES:
        given = x.clone().requires_grad_()
        y = function(given)
        y.backward(dy)
        lines.append("    " + json.dumps({"activation": activation, "y": digits(y, 9), "dx": digits(given.grad, 9)}))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "activations.json")
    with open(path, "w") as file:
        cases = ",\n".join(lines)
        file.write(f'{{\n  "columns": {COLUMNS},\n  "x": {x.flatten().tolist()},\n  "dy": {dy.flatten().tolist()},\n  "cases": [\n{cases}\n  ]\n}}\n')
