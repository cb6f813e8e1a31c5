"""Writes schedules.json: the learning rate of each of 60 steps under PyTorch's schedulers.

    /usr/bin/python3 test/golden/make-schedules.py

Made with PyTorch 1.13. The tests read the JSON only. A case's `schedule` is written as in a job spec, with what is left out
standing at PyTorch's default.
"""
import json
import math
import os

import torch
from torch.optim import lr_scheduler as S

STEPS = 60
RATE = 0.1
WARMUP = {"start_factor": 1 / 9, "total_iters": 8}

CASES = [
    ({"type": "step", "every_steps": 7, "gamma": 0.5}, lambda o: S.StepLR(o, 7, 0.5)),
    ({"type": "multi_step", "milestones": [10, 11, 40]}, lambda o: S.MultiStepLR(o, [10, 11, 40])),
    ({"type": "exponential", "gamma": 0.95}, lambda o: S.ExponentialLR(o, 0.95)),
    # PyTorch reaches 0 after total_iters further steps, ours at the last one
    ({"type": "polynomial"}, lambda o: S.PolynomialLR(o, STEPS - 1)),
    ({"type": "polynomial", "power": 2.5}, lambda o: S.PolynomialLR(o, STEPS - 1, 2.5)),
    ({"type": "cosine"}, lambda o: S.CosineAnnealingLR(o, STEPS - 1)),
    ({"type": "cosine", "final_share": 0.2}, lambda o: S.CosineAnnealingLR(o, STEPS - 1, RATE * 0.2)),
    ({"type": "cosine_restarts", "first_steps": 13}, lambda o: S.CosineAnnealingWarmRestarts(o, 13)),
    ({"type": "cosine_restarts", "first_steps": 5, "growth": 2, "final_share": 0.1},
     lambda o: S.CosineAnnealingWarmRestarts(o, 5, 2, RATE * 0.1)),
    ({"type": "one_cycle"}, lambda o: S.OneCycleLR(o, RATE, STEPS, cycle_momentum=False)),
    ({"type": "one_cycle", "rise_share": 0.15, "initial_divisor": 10, "final_divisor": 100},
     lambda o: S.OneCycleLR(o, RATE, STEPS, pct_start=0.15, div_factor=10, final_div_factor=100, cycle_momentum=False)),
    ({"type": "constant", "warmup_steps": 8}, lambda o: S.LinearLR(o, **WARMUP)),
    ({"type": "exponential", "gamma": 0.9, "warmup_steps": 8},
     lambda o: S.SequentialLR(o, [S.LinearLR(o, **WARMUP), S.ExponentialLR(o, 0.9)], [8])),
    # Vaswani et al. 2017, "Attention Is All You Need", equation 3, scaled to 1 at its top (t from 1, w = warmup_steps + 1):
    # min(t^-0.5, t·w^-1.5) · w^0.5
    ({"type": "inverse_sqrt", "warmup_steps": 8},
     lambda o: S.LambdaLR(o, lambda t: min((t + 1) ** -0.5, (t + 1) * 9 ** -1.5) * 3)),
    ({"type": "inverse_sqrt"}, lambda o: S.LambdaLR(o, lambda t: (t + 1) ** -0.5)),
]


def after_warmup(create, warmup=8):
    """PyTorch's scheduler behind a linear rise: it begins when that is over."""
    rise = {"start_factor": 1 / (warmup + 1), "total_iters": warmup}
    return lambda o: S.SequentialLR(o, [S.LinearLR(o, **rise), create(o)], [warmup])


def rates_of(create, count):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    scheduler = create(optimizer)
    rates = []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


LEFT = STEPS - 8
# OneCycleLR changes the rate that SequentialLR goes by
CYCLE = rates_of(lambda o: S.OneCycleLR(o, RATE, LEFT, cycle_momentum=False), LEFT) + [0]
CASES += [
    ({**schedule, "warmup_steps": 8}, after_warmup(create))
    for schedule, create in [
        ({"type": "step", "every_steps": 7, "gamma": 0.5}, lambda o: S.StepLR(o, 7, 0.5)),
        ({"type": "multi_step", "milestones": [10, 11, 40]}, lambda o: S.MultiStepLR(o, [10, 11, 40])),
        ({"type": "polynomial", "power": 2.5}, lambda o: S.PolynomialLR(o, LEFT - 1, 2.5)),
        # its own formula goes by the rate before, which SequentialLR sets anew
        ({"type": "cosine", "final_share": 0.2}, lambda o: S.LambdaLR(o, lambda t: 0.2 + 0.4 * (1 + math.cos(math.pi * t / (LEFT - 1))))),
        ({"type": "cosine_restarts", "first_steps": 5, "growth": 2, "final_share": 0.1},
         lambda o: S.CosineAnnealingWarmRestarts(o, 5, 2, RATE * 0.1)),
        ({"type": "one_cycle"}, lambda o: S.LambdaLR(o, lambda t: CYCLE[t] / RATE)),
    ]
]


def run(schedule, create):
    return {"schedule": schedule, "rates": [round(rate, 12) for rate in rates_of(create, STEPS)]}


# epochs' metrics, and whether a larger one is better
FALLING = [round(1 / (1 + 0.3 * min(i, 9)) + 0.00004 * (i % 3), 6) for i in range(STEPS)]
RISING = [round(0.5 + 0.04 * min(i // 6, 3) - 0.01 * (i % 4), 6) for i in range(STEPS)]
PLATEAUS = [
    ({"metric": "validation.loss"}, FALLING, {}),
    ({"metric": "validation.loss", "factor": 0.5, "patience": 3, "threshold": 0.01, "cooldown": 2,
      "min_learning_rate": 0.004}, FALLING,
     {"factor": 0.5, "patience": 3, "threshold": 0.01, "cooldown": 2, "min_lr": 0.004}),
    ({"metric": "validation.accuracy", "factor": 0.3, "patience": 4}, RISING,
     {"mode": "max", "factor": 0.3, "patience": 4}),
    ({"metric": "validation.accuracy", "patience": 0}, RISING[:12], {"mode": "max", "patience": 0}),
]


def run_plateau(schedule, metrics, kwargs):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    # eps: PyTorch leaves out reductions smaller than 1e-8; Trainyard does not
    scheduler = S.ReduceLROnPlateau(optimizer, eps=0, **kwargs)
    rates = []
    for metric in metrics:
        scheduler.step(metric)
        rates.append(float(f"{optimizer.param_groups[0]['lr']:.12g}"))
    return {"schedule": {"type": "reduce_on_plateau", **schedule}, "metrics": metrics, "rates": rates}


if __name__ == "__main__":
    cases = ",\n".join("    " + json.dumps(run(*case)) for case in CASES)
    plateaus = ",\n".join("    " + json.dumps(run_plateau(*case)) for case in PLATEAUS)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schedules.json")
    with open(path, "w") as file:
        file.write(f'{{\n  "steps": {STEPS},\n  "learning_rate": {RATE},\n  "cases": [\n{cases}\n  ],\n'
                   f'  "plateaus": [\n{plateaus}\n  ]\n}}\n')
