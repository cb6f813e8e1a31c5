"""Writes optimizers.json: where PyTorch's optimizers take a 7×5 matrix and a vector of 5 in 30 steps, in float64.

    /usr/bin/python3 test/golden/make-optimizers.py

Made with PyTorch 1.13. The tests read the JSON only. A case's `optimizer` is written as in a job spec, with what is left out
standing at PyTorch's default; weight decay is given to the matrix alone, as Trainyard does, unless `groups` say otherwise (as in a
job spec).
"""
import json
import os

import torch

from noise import Noise

# NAdam keeps its product of momenta in the default type
torch.set_default_dtype(torch.float64)

STEPS = 30
SHAPES = {"matrix": (7, 5), "vector": (5,)}


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", Algorithm 2 (not in PyTorch 1.13):

    c = β₁m + (1−β₁)g; p = p − η(sign(c) + λp); m = β₂m + (1−β₂)g
    """

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (b1, b2), lr = group["betas"], group["lr"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                c = b1 * m + (1 - b1) * p.grad
                p.sub_(lr * (c.sign() + group["weight_decay"] * p))
                self.state[p]["m"] = b2 * m + (1 - b2) * p.grad


class Lamb(torch.optim.Optimizer):
    """You et al. 2020, "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", Algorithm 2 with φ(z) = z
    (not in PyTorch 1.13):

    m = β₁m + (1−β₁)g; v = β₂v + (1−β₂)g²; r = (m / (1−β₁ᵗ)) / (√(v / (1−β₂ᵗ)) + ε); u = r + λp; p = p − η(φ(‖p‖) / ‖u‖)u
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (b1, b2), lr = group["betas"], group["lr"]
            for p in group["params"]:
                state = self.state[p]
                t = state["t"] = state.get("t", 0) + 1
                m = state["m"] = b1 * state.get("m", 0) + (1 - b1) * p.grad
                v = state["v"] = b2 * state.get("v", 0) + (1 - b2) * p.grad**2
                r = (m / (1 - b1**t)) / ((v / (1 - b2**t)).sqrt() + group["eps"])
                u = r + group["weight_decay"] * p
                p.sub_(lr * p.norm() / u.norm() * u)


def betas(spec, kwargs):
    b1, b2 = spec.get("beta1", 0.9), spec.get("beta2", 0.99 if spec["type"] == "lion" else 0.999)
    return {**kwargs, "betas": (b1, b2)}


# spec → torch's class, and what our fields are called there
RENAMED = {"learning_rate": "lr", "epsilon": "eps", "learning_rate_decay": "lr_decay",
           "initial_accumulator": "initial_accumulator_value"}
CLASSES = {
    "sgd": torch.optim.SGD, "momentum": torch.optim.SGD, "nesterov": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad, "adadelta": torch.optim.Adadelta, "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax, "nadam": torch.optim.NAdam, "radam": torch.optim.RAdam,
    "lion": Lion, "lamb": Lamb,
}


def create(spec, groups, matrix, vector):
    kwargs = {RENAMED.get(k, k): v for k, v in spec.items() if k not in ("type", "weight_decay", "beta1", "beta2")}
    if "beta1" in spec or "beta2" in spec:
        kwargs = betas(spec, kwargs)
    if spec["type"] in ("momentum", "nesterov"):
        kwargs = {"momentum": 0.9, "nesterov": spec["type"] == "nesterov", **kwargs}
    if spec["type"] in ("sgd", "momentum", "nesterov"):
        kwargs = {"lr": 0.01, **kwargs}
    if spec["type"] == "nadam":
        # 1.13's other path multiplies one μ too many into the product of the next step; this one is as in the paper, and as 2.x
        kwargs["foreach"] = True
    first = {"params": [matrix]}
    if "weight_decay" in spec:
        first["weight_decay"] = spec["weight_decay"]
    second = {"params": [vector], "weight_decay": 0}
    fitting = {"matrix": [first], "vector": [second], "*": [first, second]}
    for group in groups:
        for options in fitting[group["pattern"]]:
            if "learning_rate_scale" in group:
                options["lr"] = kwargs["lr"] * group["learning_rate_scale"]
            if "weight_decay" in group:
                options["weight_decay"] = group["weight_decay"]
    return CLASSES[spec["type"]]([first, second], **kwargs)


CASES = [
    {"type": "sgd", "weight_decay": 0.05},
    {"type": "momentum", "weight_decay": 0.05},
    {"type": "nesterov", "learning_rate": 0.02, "momentum": 0.8, "weight_decay": 0.05},
    {"type": "adagrad"},
    {"type": "adagrad", "learning_rate": 0.1, "learning_rate_decay": 0.05, "initial_accumulator": 0.3,
     "weight_decay": 0.05},
    {"type": "adadelta"},
    {"type": "adadelta", "learning_rate": 0.5, "rho": 0.8, "epsilon": 1e-3, "weight_decay": 0.05},
    {"type": "rmsprop"},
    {"type": "rmsprop", "learning_rate": 0.003, "alpha": 0.9, "weight_decay": 0.05},
    {"type": "rmsprop", "centered": True, "weight_decay": 0.05},
    {"type": "rmsprop", "learning_rate": 0.003, "momentum": 0.9},
    {"type": "rmsprop", "centered": True, "alpha": 0.8, "epsilon": 1e-4, "momentum": 0.7, "weight_decay": 0.05},
    {"type": "adam"},
    {"type": "adam", "learning_rate": 0.01, "beta1": 0.8, "beta2": 0.95, "weight_decay": 0.05},
    {"type": "adamw", "learning_rate": 0.01},
    {"type": "adamw", "learning_rate": 0.01, "beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1},
    {"type": "adam", "learning_rate": 0.01, "beta2": 0.9, "amsgrad": True, "weight_decay": 0.05},
    {"type": "adamw", "learning_rate": 0.01, "beta2": 0.9, "amsgrad": True},
    {"type": "adamax"},
    {"type": "adamax", "learning_rate": 0.01, "beta1": 0.8, "beta2": 0.9, "weight_decay": 0.05},
    {"type": "nadam"},
    {"type": "nadam", "learning_rate": 0.01, "beta1": 0.8, "beta2": 0.95, "momentum_decay": 0.1, "weight_decay": 0.05},
    {"type": "radam"},
    {"type": "radam", "learning_rate": 0.01, "beta1": 0.8, "beta2": 0.9, "weight_decay": 0.05},
    {"type": "lion"},
    {"type": "lion", "learning_rate": 0.01, "beta1": 0.8, "weight_decay": 0.1},
    {"type": "lamb"},
    {"type": "lamb", "learning_rate": 0.02, "beta1": 0.8, "beta2": 0.9, "weight_decay": 0.1},
]

GROUPED = [
    ({"type": "adamw", "learning_rate": 0.01},
     [{"pattern": "vector", "learning_rate_scale": 0.3, "weight_decay": 0.2}]),
    ({"type": "momentum", "learning_rate": 0.02, "weight_decay": 0.05},
     [{"pattern": "*", "learning_rate_scale": 0.5, "weight_decay": 0.1}]),
    ({"type": "adagrad", "learning_rate": 0.1, "learning_rate_decay": 0.05, "weight_decay": 0.05},
     [{"pattern": "matrix", "learning_rate_scale": 2}]),
    ({"type": "nadam", "learning_rate": 0.01, "weight_decay": 0.05}, [{"pattern": "matrix", "learning_rate_scale": 0.5}]),
    ({"type": "lamb", "learning_rate": 0.02}, [{"pattern": "vector", "learning_rate_scale": 3, "weight_decay": 0.1}]),
]


def run(spec, groups=()):
    noise = Noise(1)
    parameters = {name: noise.tensor(shape).requires_grad_() for name, shape in SHAPES.items()}
    optimizer = create(spec, groups, parameters["matrix"], parameters["vector"])
    for _ in range(STEPS):
        for parameter in parameters.values():
            parameter.grad = noise.tensor(parameter.shape)
        optimizer.step()
    final = {name: [round(v, 10) for v in p.detach().flatten().tolist()] for name, p in parameters.items()}
    return {"optimizer": spec, **({"groups": groups} if groups else {}), "final": final}


if __name__ == "__main__":
    cases = ",\n".join("    " + json.dumps(run(*case)) for case in [(spec,) for spec in CASES] + GROUPED)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizers.json")
    with open(path, "w") as file:
        file.write(f'{{\n  "steps": {STEPS},\n  "cases": [\n{cases}\n  ]\n}}\n')
