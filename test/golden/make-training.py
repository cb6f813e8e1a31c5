"""Writes training.json: where small networks end that PyTorch trains with penalties, weights of rows, parts of a batch, averages, clipping, groups and
schedules, in float64.

    /usr/bin/python3 test/golden/make-training.py

Made with PyTorch 1.13. The tests read the JSON only. A case's `training` and `layers` are written as in a job spec, but that classes are numbers.
Values come from one generator in this order: 12 rows of 4 inputs; a weight for each row, from 0 to 2; for each target its values, or labels that are
⌊|value|·classes⌋; then each layer's weights (inputs, units) and biases. An epoch is all rows in their order; a row's `sample_weight` is its weight.
`losses` are those before each update, without penalties; `final` is what would be saved: the averages where there are any.
"""
import copy
import json
import math
import os

import torch
import torch.nn.functional as F

from noise import Noise, digits
from torch.optim import lr_scheduler as S

torch.set_default_dtype(torch.float64)
ROWS, INPUTS, EPOCHS = 12, 4, 3


class Network(torch.nn.Module):
    def __init__(self, noise, layers):
        super().__init__()
        self.layers, self.penalty = layers, 0
        width = INPUTS
        for layer in layers:
            if layer["type"] == "dense":
                module = torch.nn.Linear(width, layer["units"])
                module.weight.data = noise.tensor((width, layer["units"])).T.clone()
                module.bias.data = noise.tensor((layer["units"],))
                self.add_module(layer["name"], module)
                width = layer["units"]

    def forward(self, x):
        self.penalty = 0
        for layer in self.layers:
            if layer["type"] == "dense":
                x = getattr(self, layer["name"])(x)
                if layer.get("activation") == "tanh":
                    x = x.tanh()
            else:
                self.penalty = self.penalty + layer.get("l1", 0) * x.abs().sum(1) + layer.get("l2", 0) * (x**2).sum(1)
        return x


def row_losses(loss, y, target):
    """The loss of each row, and what it counts for."""
    ones = torch.ones(len(y))
    if loss["type"] == "mse":
        return ((y - target) ** 2).mean(1), ones
    weights = torch.tensor(loss["class_weights"]) if "class_weights" in loss else None
    ignored = loss.get("ignore_class", -100)
    smoothing = loss.get("label_smoothing", 0)
    each = F.cross_entropy(y, target, weight=weights, ignore_index=ignored, label_smoothing=smoothing, reduction="none")
    return each, (ones if weights is None else weights[target]) * (target != ignored)


def penalty_of(network, regularization):
    total = 0
    for name, value in network.named_parameters():
        for rule in regularization:
            if rule["pattern"] in (name, "*", "*." + name.split(".")[1]):
                total = total + rule.get("l1", 0) * value.abs().sum() + rule.get("l2", 0) * (value**2).sum()
                break
    return total


def create_optimizer(network, training):
    spec = dict(training["optimizer"])
    kind, decay = spec.pop("type"), spec.pop("weight_decay", 0)
    lr = spec.pop("learning_rate")
    groups = []
    for name, value in network.named_parameters():
        options = {"params": [value], "lr": lr, "weight_decay": decay if name.endswith("weight") else 0}
        for rule in training.get("parameter_groups", []):
            if rule["pattern"] in (name, "*", "*." + name.split(".")[1], name.split(".")[0] + ".*"):
                options["lr"] = rule.get("learning_rate", lr) * rule.get("learning_rate_scale", 1)
                options["weight_decay"] = rule.get("weight_decay", options["weight_decay"])
                break
        groups.append(options)
    classes = {"sgd": torch.optim.SGD, "momentum": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return classes[kind](groups, lr=lr, **spec)


def create_schedule(optimizer, schedule, steps):
    if schedule is None:
        return None
    warmup = schedule["warmup_steps"]
    first = S.LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
    return S.SequentialLR(optimizer, [first, S.LambdaLR(optimizer, lambda t: (1 + math.cos(math.pi * t / (steps - warmup - 1))) / 2)], [warmup])


TANH = [{"type": "dense", "name": "a", "units": 5, "activation": "tanh"}, {"type": "dense", "name": "b", "units": 3}]
ACTIVE = [TANH[0], {"type": "activity_regularization", "name": "p", "l1": 0.03, "l2": 0.05}, TANH[1]]
WIDE = [TANH[0], {"type": "dense", "name": "b", "units": 5}]
SGD = {"type": "sgd", "learning_rate": 0.2}
ADAMW = {"type": "adamw", "learning_rate": 0.02, "weight_decay": 0.1}
CLASSES = {"type": "cross_entropy"}
PENALTIES = [{"pattern": "a.weight", "l1": 0.02, "l2": 0.05}, {"pattern": "*.bias", "l2": 0.3}]
COSINE = {"type": "cosine", "warmup_steps": 2}


def case(loss=None, optimizer=SGD, layers=TANH, heads=None, batch_size=4, **training):
    return {"layers": layers, "heads": heads or [], "training": {"loss": loss or {"type": "mse"}, "optimizer": optimizer, "batch_size": batch_size, **training}}


CASES = [
    case(),
    case(regularization=[{"pattern": "*.weight", "l1": 0.05}]),
    case(regularization=[{"pattern": "*", "l2": 0.1}], optimizer={"type": "adam", "learning_rate": 0.02}),
    case(CLASSES, regularization=PENALTIES, clip_norm=0.3),
    case(layers=ACTIVE),
    case(CLASSES, layers=ACTIVE, optimizer=ADAMW, batch_size=5),
    case(sample_weight="weight"),
    case(CLASSES, sample_weight="weight", batch_size=5),
    case({**CLASSES, "class_weights": [0.5, 2, 1], "label_smoothing": 0.1}, sample_weight="weight"),
    case({**CLASSES, "class_weights": [0.5, 2, 1], "ignore_class": 1}, sample_weight="weight", optimizer=ADAMW),
    case(batch_size=2, accumulate_steps=3),
    case(CLASSES, batch_size=3, accumulate_steps=3, optimizer=ADAMW, sample_weight="weight"),
    case(ema={"decay": 0.7}),
    case(CLASSES, optimizer=ADAMW, ema={"decay": 0.9}),
    case(clip_norm=0.2),
    case(clip_value=0.02),
    case(CLASSES, clip_value=0.05, clip_norm=0.1, optimizer={"type": "momentum", "learning_rate": 0.2, "momentum": 0.9}),
    case(CLASSES, layers=WIDE, heads=[{"width": 2, "loss": {"type": "mse"}, "weight": 0.4}]),
    case(CLASSES, layers=WIDE, heads=[{"width": 2, "loss": CLASSES, "weight": 2}], sample_weight="weight", optimizer=ADAMW),
    case(schedule=COSINE, parameter_groups=[{"pattern": "a.*", "learning_rate_scale": 0.3}, {"pattern": "b.bias", "learning_rate": 0.5, "weight_decay": 0.4}], optimizer=ADAMW),
    case({**CLASSES, "label_smoothing": 0.1}, layers=[ACTIVE[0], ACTIVE[1], WIDE[1]], heads=[{"width": 2, "loss": {"type": "mse"}, "weight": 0.5}],
         optimizer=ADAMW, batch_size=2, accumulate_steps=2, sample_weight="weight", regularization=PENALTIES, clip_norm=0.5, ema={"decay": 0.8},
         schedule=COSINE, parameter_groups=[{"pattern": "*.bias", "learning_rate_scale": 2}]),
]


def run(one):
    training, noise = one["training"], Noise(1)
    x = noise.tensor((ROWS, INPUTS))
    weights = (1 + noise.tensor((ROWS,))).float().double() if "sample_weight" in training else torch.ones(ROWS)
    width = one["layers"][-1]["units"]
    own = width - sum(head["width"] for head in one["heads"])
    targets = [{"width": own, "loss": training["loss"], "weight": 1}, *map(dict, one["heads"])]
    for target in targets:
        isValues = target["loss"]["type"] == "mse"
        drawn = noise.tensor((ROWS, target["width"])) if isValues else noise.tensor((ROWS,))
        target["values"] = drawn if isValues else (drawn.abs() * target["width"]).floor().long()
    network = Network(noise, one["layers"])
    optimizer = create_optimizer(network, training)
    accumulate, size = training.get("accumulate_steps", 1), training["batch_size"]
    updates = -(-ROWS // (size * accumulate))
    schedule = create_schedule(optimizer, training.get("schedule"), updates * EPOCHS)
    average = torch.optim.swa_utils.AveragedModel(network, avg_fn=lambda a, w, _: a + (1 - training["ema"]["decay"]) * (w - a)) if "ema" in training else None
    if average is not None:
        # it begins at the first weights, not after the first update
        average.n_averaged.fill_(1)

    losses = []
    for _ in range(EPOCHS):
        for first in range(0, ROWS, size * accumulate):
            chosen = slice(first, first + size * accumulate)
            counted = weights[chosen] * row_losses(training["loss"], torch.zeros(ROWS, own), targets[0]["values"])[1][chosen]
            optimizer.zero_grad()
            total = 0
            for begin in range(first, min(first + size * accumulate, ROWS), size):
                rows = slice(begin, min(begin + size, first + size * accumulate))
                y, place, loss = network(x[rows]), 0, 0
                for target in targets:
                    part = y[:, place : place + target["width"]]
                    place += target["width"]
                    loss = loss + target["weight"] * row_losses(target["loss"], part, target["values"][rows])[0]
                loss = (loss * weights[rows]).sum() / counted.sum()
                # the mean over the rows of the update, whatever they count for in the loss
                penalty = network.penalty if isinstance(network.penalty, int) else network.penalty.sum()
                (loss + penalty / len(counted)).backward()
                total += float(loss)
            penalty = penalty_of(network, training.get("regularization", []))
            if not isinstance(penalty, int):
                penalty.backward()
            if "clip_value" in training:
                torch.nn.utils.clip_grad_value_(network.parameters(), training["clip_value"])
            if "clip_norm" in training:
                torch.nn.utils.clip_grad_norm_(network.parameters(), training["clip_norm"])
            optimizer.step()
            if schedule is not None:
                schedule.step()
            if average is not None:
                average.update_parameters(network)
            losses.append(float(f"{total:.9g}"))
    saved = network if average is None else average.module
    final = {name: digits(p.T if p.dim() == 2 else p, 9) for name, p in saved.named_parameters()}
    return {**one, "losses": losses, "final": final}


if __name__ == "__main__":
    cases = ",\n".join("    " + json.dumps(run(copy.deepcopy(one))) for one in CASES)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "training.json"), "w") as file:
        file.write(f'{{\n  "rows": {ROWS},\n  "inputs": {INPUTS},\n  "epochs": {EPOCHS},\n  "cases": [\n{cases}\n  ]\n}}\n')
