"""Writes convolutions.json: what PyTorch's convolutions and poolings give, and their gradients, in float64.

    /usr/bin/python3 test/golden/make-convolutions.py

Made with PyTorch 1.13. The tests read the JSON only. A case's `layer` is written as in a job spec. Values and weights come from one
generator in the order x, weight, bias, target; the gradients are those of the mean squared error against the target.
"""
import json
import os

import torch
import torch.nn.functional as F

from noise import Noise, digits

ROWS = 2


def sides(layer, name, default):
    value = layer.get(name, default)
    if layer["type"].endswith("1d"):
        return [value]
    return value if isinstance(value, list) else [value, value]


def pad(x, layer, reach, stride):
    """Zeros as TensorFlow's "SAME" has them, the odd one behind; or all before."""
    padding = layer.get("padding", "valid")
    amounts = []
    for n, r, s in zip(x.shape[2:], reach, stride):
        total = max((-(-n // s) - 1) * s + r - n, 0)
        before = {"valid": 0, "same": total // 2, "causal": r - 1}[padding]
        after = total - before if padding == "same" else 0
        amounts = [before, after] + amounts
    return F.pad(x, amounts)


def crop(y, places, reach, stride):
    """What is left of a transposed convolution where the windows of "SAME" reach beyond the image."""
    for i, (n, r, s) in enumerate(zip(places, reach, stride)):
        before = max(r - s, 0) // 2
        size = n * s
        missing = size + before - y.shape[2 + i]
        if missing > 0:
            y = F.pad(y, [0] * (2 * (1 - i)) + [0, missing])
        y = y.narrow(2 + i, before, size)
    return y


ACTIVATIONS = {
    "linear": lambda x: x, "relu": F.relu, "leaky_relu": F.leaky_relu, "relu6": F.relu6, "elu": F.elu, "selu": F.selu, "gelu": F.gelu,
    "silu": F.silu, "softplus": F.softplus, "softsign": F.softsign, "sigmoid": torch.sigmoid, "hard_sigmoid": F.hardsigmoid, "tanh": torch.tanh,
    "hard_tanh": F.hardtanh,
}


def apply(layer, x, weight, bias):
    """x (rows, channels, …), as PyTorch has it; weight and bias as Trainyard has them."""
    kind = layer["type"]
    if kind == "global_average_pool1d" or kind == "global_average_pool2d":
        return x.flatten(2).mean(2)
    if kind == "global_max_pool1d":
        return F.adaptive_max_pool1d(x, 1).flatten(1)
    if "pool" in kind:
        size = sides(layer, "size", 2)
        function = getattr(F, kind.replace("average", "avg"))
        return function(x, size, sides(layer, "stride", layer.get("size", 2)))
    kernel, stride, dilation = sides(layer, "kernel_size", 3), sides(layer, "stride", 1), sides(layer, "dilation", 1)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    if kind == "conv2d_transpose":
        more = sides(layer, "output_padding", 0)
        options = {"stride": stride, "dilation": dilation, "groups": layer.get("groups", 1), "output_padding": more}
        y = F.conv_transpose2d(x, weight.permute(3, 2, 0, 1), **options)
        if layer.get("padding") == "same":
            y = crop(y, x.shape[2:], reach, stride)
        return y + bias.reshape(-1, 1, 1)
    x = pad(x, layer, reach, stride)
    options = {"stride": stride, "dilation": dilation, "groups": layer.get("groups", 1)}
    if kind == "conv1d":
        return F.conv1d(x, weight.permute(2, 1, 0), bias, **options)
    return F.conv2d(x, weight.permute(3, 2, 0, 1), bias, **options)


def conv2d(filters=3, **more):
    return {"type": "conv2d", "filters": filters, **more}


def conv1d(filters=3, **more):
    return {"type": "conv1d", "filters": filters, **more}


def transpose(filters=3, **more):
    return {"type": "conv2d_transpose", "filters": filters, **more}


IMAGE, WIDE, SMALL, SEQUENCE = (5, 6, 2), (4, 5, 4), (3, 4, 2), (9, 2)
CASES = [
    (IMAGE, conv2d()),
    (IMAGE, conv2d(kernel_size=2, padding="same")),
    (IMAGE, conv2d(kernel_size=[2, 3], stride=[2, 1], padding="same")),
    (IMAGE, conv2d(kernel_size=[3, 2], stride=[1, 2], dilation=[2, 1])),
    (IMAGE, conv2d(kernel_size=[2, 3], stride=2, dilation=[1, 2], padding="same")),
    (IMAGE, conv2d(kernel_size=1, stride=[3, 2])),
    (WIDE, conv2d(6, groups=2, kernel_size=2)),
    (WIDE, conv2d(2, groups=2, stride=[1, 2], padding="same")),
    (WIDE, conv2d(4, groups=4, padding="same")),
    (WIDE, conv2d(4, groups=4, kernel_size=[3, 2], stride=2, padding="same")),
    (IMAGE, conv2d(6, groups=2, kernel_size=[2, 3], dilation=[1, 2])),
    *[((3, 4, 2), conv2d(filters, groups=groups, kernel_size=2, activation=activation))
      for activation in ACTIVATIONS if activation != "linear" for filters, groups in ((3, 1), (2, 2))],
    (SMALL, transpose(activation="relu6")),
    (SEQUENCE, conv1d(2, groups=2, activation="softplus")),
    (SMALL, transpose()),
    (SMALL, transpose(stride=2)),
    (SMALL, transpose(stride=2, padding="same")),
    (SMALL, transpose(kernel_size=[2, 4], stride=[2, 3], padding="same")),
    (SMALL, transpose(kernel_size=[1, 2], stride=[2, 3], padding="same")),
    (SMALL, transpose(kernel_size=2, stride=[1, 2], dilation=[2, 1])),
    (SMALL, transpose(4, groups=2, stride=2)),
    (SMALL, transpose(2, groups=2, stride=2, padding="same")),
    ((2, 3, 4), transpose(4, groups=4, kernel_size=[2, 3], stride=[2, 1], activation="tanh")),
    ((2, 3, 6), transpose(9, groups=3, kernel_size=2, dilation=[1, 2])),
    ((2, 3, 4), transpose(2, groups=2, stride=[3, 2], output_padding=[2, 1])),
    (SMALL, transpose(stride=2, kernel_size=1, output_padding=1)),
    (SEQUENCE, conv1d()),
    (SEQUENCE, conv1d(stride=2, padding="same")),
    (SEQUENCE, conv1d(dilation=2, padding="causal")),
    (SEQUENCE, conv1d(kernel_size=2, stride=3, padding="causal")),
    (SEQUENCE, conv1d(4, groups=2, dilation=3)),
    (IMAGE, conv2d(6, groups=2, padding="same", dilation=2)),
    (SEQUENCE, conv1d(2, groups=2, kernel_size=4, padding="same", stride=2)),
    (SEQUENCE, conv1d(2, kernel_size=4, padding="same", dilation=3)),
    (IMAGE, {"type": "max_pool2d"}),
    (IMAGE, {"type": "max_pool2d", "size": [3, 2], "stride": [1, 2]}),
    (IMAGE, {"type": "average_pool2d", "size": [2, 3], "stride": [2, 1]}),
    (IMAGE, {"type": "global_average_pool2d"}),
    (SEQUENCE, {"type": "max_pool1d", "size": 3, "stride": 2}),
    (SEQUENCE, {"type": "average_pool1d"}),
    (SEQUENCE, {"type": "global_average_pool1d"}),
    (SEQUENCE, {"type": "global_max_pool1d"}),
]


def weight_shape(layer, channels):
    kernel = sides(layer, "kernel_size", 3)
    if layer["type"] == "conv2d_transpose":
        return [*kernel, layer["filters"] // layer.get("groups", 1), channels]
    return [*kernel, channels // layer.get("groups", 1), layer["filters"]]


def channels_last(y):
    return y.movedim(1, -1).contiguous()


def run(dims, layer):
    noise = Noise(1)
    x = noise.tensor((ROWS, *dims)).requires_grad_()
    parameters = {}
    if "filters" in layer:
        parameters["weight"] = noise.tensor(weight_shape(layer, dims[-1])).requires_grad_()
        parameters["bias"] = noise.tensor((layer["filters"],)).requires_grad_()
    y = apply(layer, x.movedim(-1, 1), parameters.get("weight"), parameters.get("bias"))
    y = channels_last(ACTIVATIONS[layer.get("activation", "linear")](y))
    target = noise.tensor(y.shape)
    ((y - target) ** 2).mean().backward()
    gradients = {"x": digits(x.grad), **{name: digits(p.grad) for name, p in parameters.items()}}
    return {"dims": dims, "layer": layer, "shape": list(y.shape[1:]), "output": digits(y), "gradients": gradients}


if __name__ == "__main__":
    cases = ",\n".join("    " + json.dumps(run(*case), separators=(",", ":")) for case in CASES)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "convolutions.json")
    with open(path, "w") as file:
        file.write(f'{{\n  "rows": {ROWS},\n  "cases": [\n{cases}\n  ]\n}}\n')
