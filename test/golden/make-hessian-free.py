"""Writes hessian-free.json: where Hessian-free optimisation (Martens 2010) takes small networks, in float64.

    /usr/bin/python3 test/golden/make-hessian-free.py

Made with PyTorch 1.13, which has no such optimizer: it gives the gradients, the derivative of the outputs along a vector, by differentiating twice, and
the second derivatives of the losses. The tests read the JSON only. A network is inputs → tanh units → outputs, its loss the mean over all rows at once. They go
no further than rounding to float32 lets two runs agree. Values come from Park & Miller's generator: inputs (row by row), targets, or labels that are
⌊|value|·outputs⌋, then each layer's weights (inputs, units) and biases.
"""
import json
import math
import os

import torch
import torch.nn.functional as F

from noise import Noise

torch.set_default_dtype(torch.float64)
ROWS, INPUTS, OUTPUTS = 24, 3, 2


CASES = [
    {"optimizer": {"type": "hessian_free", "damping": 0.1, "max_iterations": 8}, "loss": "mse", "units": 4, "steps": 6},
    {"optimizer": {"type": "hessian_free", "damping": 1, "max_iterations": 30, "warm_start": 0.5}, "loss": "cross_entropy", "units": 5, "steps": 6},
    {"optimizer": {"type": "hessian_free", "damping": 0.001, "max_iterations": 5, "learning_rate": 0.7}, "loss": "mse", "units": 6, "steps": 5},
    # so little damping that a whole step goes too far
    {"optimizer": {"type": "hessian_free", "damping": 0.003, "max_iterations": 4}, "loss": "cross_entropy", "units": 4, "steps": 3},
    {"optimizer": {"type": "hessian_free", "damping": 0.001, "max_iterations": 3}, "loss": "mse", "units": 2, "steps": 3},
]


class HessianFree:
    """Martens 2010, sections 3 and 4: the quadratic model's minimum by conjugate gradients that begin at the last solution, ended by its progress;
    damping by Levenberg & Marquardt's rule; a line search back from the solution."""

    def __init__(self, parameters, loss_of, outputs_of, damping=1.0, max_iterations=50, warm_start=0.95, learning_rate=1.0):
        self.parameters, self.loss_of, self.outputs_of = parameters, loss_of, outputs_of
        self.damping, self.max_iterations, self.warm_start, self.rate = damping, max_iterations, warm_start, learning_rate
        self.x = torch.zeros(sum(p.numel() for p in parameters))

    def flat(self, tensors):
        return torch.cat([t.flatten() for t in tensors])

    def split(self, vector):
        return [v.reshape(p.shape) for v, p in zip(vector.split([p.numel() for p in self.parameters]), self.parameters)]

    def product(self, vector):
        """(Jᵀ·H·J + λ)·vector"""
        y = self.outputs_of()
        u = torch.zeros_like(y, requires_grad=True)
        back = self.flat(torch.autograd.grad(y, self.parameters, u, create_graph=True))
        (jv,) = torch.autograd.grad(back, u, vector, retain_graph=True)
        fixed = y.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.loss_of(fixed), fixed, create_graph=True)
        (hjv,) = torch.autograd.grad(slope, fixed, jv)
        return self.flat(torch.autograd.grad(y, self.parameters, hjv)) + self.damping * vector

    def move(self, start, length):
        with torch.no_grad():
            for p, value in zip(self.parameters, self.split(start + length * self.x)):
                p.copy_(value)
        return float(self.loss_of(self.outputs_of()))

    def step(self):
        loss = self.loss_of(self.outputs_of())
        before, g = float(loss), self.flat(torch.autograd.grad(loss, self.parameters))
        self.x = self.warm_start * self.x
        r = -g - self.product(self.x)
        p, values, square = r.clone(), [], float(r @ r)
        for i in range(1, self.max_iterations + 1):
            product = self.product(p)
            length = square / float(p @ product)
            self.x = self.x + length * p
            r = r - length * product
            values.append(float(g @ self.x - r @ self.x) / 2)
            k = max(10, math.ceil(0.1 * i))
            if i > k and values[-1] < 0 and (values[-1] - values[-1 - k]) / values[-1] < k * 0.0005:
                break
            p, square = r + float(r @ r) / square * p, float(r @ r)
        start = self.flat([q.detach().clone() for q in self.parameters])
        whole = self.move(start, 1)
        ratio = (whole - before) / values[-1]
        self.damping *= 1.5 if ratio < 0.25 else 2 / 3 if ratio > 0.75 else 1
        length, shortened = self.rate, 0
        while self.move(start, length) > before + 0.01 * length * float(g @ self.x):
            length, shortened = length * 0.8, shortened + 1
        return before, self.damping, len(values), shortened


def run(case):
    noise = Noise(1)
    x = noise.tensor((ROWS, INPUTS))
    if case["loss"] == "mse":
        target = noise.tensor((ROWS, OUTPUTS))
        loss_of = lambda y: F.mse_loss(y, target)
    else:
        labels = (noise.tensor((ROWS,)).abs() * OUTPUTS).floor().long()
        loss_of = lambda y: F.cross_entropy(y, labels)
    widths, parameters = [INPUTS, case["units"], OUTPUTS], []
    for a, b in zip(widths, widths[1:]):
        parameters += [noise.tensor((a, b)).requires_grad_(), noise.tensor((b,)).requires_grad_()]
    outputs_of = lambda: (x @ parameters[0] + parameters[1]).tanh() @ parameters[2] + parameters[3]
    spec = {name: value for name, value in case["optimizer"].items() if name != "type"}
    optimizer = HessianFree(parameters, loss_of, outputs_of, **spec)
    steps = [optimizer.step() for _ in range(case["steps"])]
    return {**case, "losses": [step[0] for step in steps] + [float(loss_of(outputs_of()))], "dampings": [step[1] for step in steps]}, steps


if __name__ == "__main__":
    results = [run(case) for case in CASES]
    for _, steps in results:
        print(*steps, sep="\n", end="\n\n")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "hessian-free.json"), "w") as file:
        cases = ",\n".join("  " + json.dumps(result) for result, _ in results)
        file.write(f"[\n{cases}\n]\n")
