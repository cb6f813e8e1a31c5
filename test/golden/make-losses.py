"""Writes losses.json: PyTorch's losses and their gradients in float64, on 8 rows of 5 predictions.

    /usr/bin/python3 test/golden/make-losses.py

Made with PyTorch 1.13. The tests read the JSON only. A case's `loss` is written as in a job's spec, but that classes are numbers; `value` is the loss,
the mean over the rows as PyTorch takes it, and `dx` its gradient. What PyTorch lacks is written out in its operations here: log-cosh, quantiles,
focal losses, pairs and triplets within a batch.
"""
import json
import os

import torch
import torch.nn.functional as F

from noise import Noise, digits

ROWS, COLUMNS = 8, 5
MARGIN = 0.7


def noise(count, seed=1):
    return Noise(seed).tensor((count,))


x = (noise(ROWS * COLUMNS) * 3).float().double().reshape(ROWS, COLUMNS)
# beyond where exponentials overflow, in cross-entropies that know how to avoid it
large = x.clone()
large[0, 1], large[1, 0], large[2, 3] = 200, -150, 95
values = (noise(ROWS * COLUMNS, 7) * 3).float().double().reshape(ROWS, COLUMNS)
# an error of 0, where the slope of |e| is 0; that of a quantile is anything there
ties = values.clone()
ties[3, 2] = x[3, 2]
zeros_and_ones = (noise(ROWS * COLUMNS, 11) > 0.2).double().reshape(ROWS, COLUMNS)
counts = (noise(ROWS * COLUMNS, 13).abs() * 6).floor().reshape(ROWS, COLUMNS)
shares = F.softmax(noise(ROWS * COLUMNS, 17).reshape(ROWS, COLUMNS) * 2, -1).float().double()
shares[1] = torch.tensor([0, 0.25, 0.75, 0, 0])
labels = torch.tensor([0, 3, 1, 4, 2, 1, 1, 3])
groups = torch.tensor([0, 1, 0, 2, 1, 0, 2, 3])
weights = torch.tensor([0.5, 1, 2, 0.25, 1.5]).double()


def log_cosh(x, t):
    e = x - t
    return (F.softplus(-2 * e) + e - torch.log(torch.tensor(2.0).double())).mean()


def quantile(level):
    return lambda x, t: torch.maximum(level * (t - x), (level - 1) * (t - x)).mean()


def binary_focal(positive, gamma):
    def loss(x, t):
        p = torch.sigmoid(x)
        even = F.binary_cross_entropy_with_logits(x, t, reduction="none")
        wrong = torch.where(t == 1, 1 - p, p)
        return (torch.where(t == 1, positive, torch.tensor(1.0).double()) * wrong ** gamma * even).mean()
    return loss


def focal(gamma, weight=None, ignored=-100):
    def loss(x, t):
        even = F.cross_entropy(x, t, reduction="none")
        counted = (t != ignored).double()
        factor = counted if weight is None else counted * weight[t]
        return (factor * (1 - torch.exp(-even)) ** gamma * even).sum() / factor.sum()
    return loss


def weighted_hinge(weight, p):
    """the mean that divides by the weights of the rows, as PyTorch's cross-entropy has it and its margin loss has not"""
    return lambda x, t: (F.multi_margin_loss(x, t, p=p, margin=MARGIN, weight=weight, reduction="none")).sum() / weight[t].sum()


def distances(x):
    square = ((x[:, None] - x[None]) ** 2).sum(-1)
    return torch.where(square > 0, square.clamp(min=1e-30).sqrt(), square * 0)


def contrastive(x, t):
    d = distances(x)
    same = (t[:, None] == t[None]).double()
    each = same * d ** 2 + (1 - same) * F.relu(MARGIN * 5 - d) ** 2
    others = 1 - torch.eye(len(x)).double()
    return (each * others).sum(-1).div(len(x) - 1).mean()


def triplet(mining):
    def loss(x, t):
        d = distances(x)
        losses = []
        for i in range(len(x)):
            far = [d[i, j] for j in range(len(x)) if j != i and t[j] == t[i]]
            near = [d[i, j] for j in range(len(x)) if t[j] != t[i]]
            if not far or not near:
                losses.append(d[i, i] * 0)
            elif mining == "hard":
                losses.append(F.relu(MARGIN + max(far) - min(near)))
            else:
                losses.append(torch.stack([F.relu(MARGIN + p - n) for p in far for n in near]).mean())
        return torch.stack(losses).mean()
    return loss


CASES = [
    ({"type": "mse"}, x, ties, F.mse_loss),
    ({"type": "mae"}, x, ties, F.l1_loss),
    ({"type": "huber"}, x, ties, F.huber_loss),
    ({"type": "huber", "delta": 2.5}, x, ties, lambda x, t: F.huber_loss(x, t, delta=2.5)),
    ({"type": "log_cosh"}, x, ties, log_cosh),
    ({"type": "quantile", "level": 0.9}, x, values, quantile(0.9)),
    ({"type": "quantile", "level": 0.25}, x, values, quantile(0.25)),
    ({"type": "poisson"}, x, counts, F.poisson_nll_loss),
    ({"type": "kl_divergence"}, x, shares, lambda x, t: F.kl_div(F.log_softmax(x, -1), t, reduction="batchmean")),
    ({"type": "cosine"}, x, values, lambda x, t: (1 - F.cosine_similarity(x, t, dim=-1)).mean()),
    ({"type": "binary_cross_entropy"}, large, zeros_and_ones, F.binary_cross_entropy_with_logits),
    ({"type": "binary_cross_entropy", "pos_weight": 3}, large, zeros_and_ones,
     lambda x, t: F.binary_cross_entropy_with_logits(x, t, pos_weight=torch.tensor(3.0).double())),
    ({"type": "binary_cross_entropy", "focal_gamma": 2}, x, zeros_and_ones, binary_focal(torch.tensor(1.0).double(), 2)),
    ({"type": "binary_cross_entropy", "pos_weight": 0.4, "focal_gamma": 1.5}, x, zeros_and_ones,
     binary_focal(torch.tensor(0.4).double(), 1.5)),
    ({"type": "cross_entropy"}, large, labels, F.cross_entropy),
    ({"type": "cross_entropy", "label_smoothing": 0.1}, x, labels, lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1)),
    ({"type": "cross_entropy", "class_weights": weights.tolist()}, x, labels, lambda x, t: F.cross_entropy(x, t, weight=weights)),
    ({"type": "cross_entropy", "ignore_class": 1}, x, labels, lambda x, t: F.cross_entropy(x, t, ignore_index=1)),
    ({"type": "cross_entropy", "ignore_class": 3, "class_weights": weights.tolist(), "label_smoothing": 0.2}, x, labels,
     lambda x, t: F.cross_entropy(x, t, ignore_index=3, weight=weights, label_smoothing=0.2)),
    ({"type": "cross_entropy", "focal_gamma": 2}, x, labels, focal(2)),
    ({"type": "cross_entropy", "focal_gamma": 0.5, "class_weights": weights.tolist(), "ignore_class": 4}, x, labels,
     focal(0.5, weights, 4)),
    ({"type": "hinge"}, x, labels, F.multi_margin_loss),
    ({"type": "hinge", "margin": 2, "squared": True}, x, labels, lambda x, t: F.multi_margin_loss(x, t, p=2, margin=2)),
    ({"type": "hinge", "margin": MARGIN, "class_weights": weights.tolist()}, x, labels, weighted_hinge(weights, 1)),
    ({"type": "contrastive", "margin": MARGIN * 5}, x, groups, contrastive),
    ({"type": "triplet", "margin": MARGIN, "mining": "hard"}, x, groups, triplet("hard")),
    ({"type": "triplet", "margin": MARGIN, "mining": "all"}, x, groups, triplet("all")),
]


if __name__ == "__main__":
    lines = []
    for loss, predicted, target, function in CASES:
        given = predicted.clone().requires_grad_()
        value = function(given, target)
        value.backward()
        case = {"loss": loss, "x": digits(predicted, 9), "target": target.flatten().tolist(), "value": float(f"{float(value):.9g}"),
                "dx": digits(given.grad, 9)}
        lines.append("    " + json.dumps(case))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "losses.json"), "w") as file:
        cases = ",\n".join(lines)
        file.write(f'{{\n  "columns": {COLUMNS},\n  "cases": [\n{cases}\n  ]\n}}\n')
