"""Writes layers.json: what PyTorch gives for layers and blocks that are no convolutions, and their gradients, in float64.

    /usr/bin/python3 test/golden/make-layers.py

Made with PyTorch 1.13. The tests read the JSON only. A case's `layers` are written as in a job spec. Values and weights come from one
generator: x first, then each parameter when it is first asked for, then the target; the gradients are those of the mean squared error
against the target. Where there are several inputs, x holds them one behind the other. Parameters are halved, and variances lie around 1.5.
What is dropped follows from the case's `seed` and `step` (philox.py).
"""
import json
import math
import os

import torch
import torch.nn.functional as F

from noise import Noise, digits
from philox import Dropouts

ROWS = 3


class Parameters:
    """And what else layers are computed with: masks of dropout, penalties on what comes out of them."""

    def __init__(self, noise, dropouts):
        self.noise, self.values, self.running = noise, {}, {}
        self.drop, self.penalty = dropouts.drop, 0

    def get(self, name, *shape):
        if name not in self.values:
            self.values[name] = self.noise.tensor(shape, 0.5).requires_grad_()
        return self.values[name]

    def statistic(self, name, *shape):
        if name not in self.running:
            self.running[name] = self.noise.tensor(shape, 0.5, 1.5 if name.endswith("variance") else 0)
        return self.running[name]


ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "tanh": torch.tanh,
    "gelu": F.gelu,
}


def linear(p, name, x, units, bias=True):
    y = x @ p.get(f"{name}.weight", x.shape[-1], units)
    return y + p.get(f"{name}.bias", units) if bias else y


def norm(p, name, x, kind, epsilon=1e-5):
    width = x.shape[-1]
    scale = p.get(f"{name}.scale", width)
    if kind == "rms_norm":
        return x / torch.sqrt((x**2).mean(-1, keepdim=True) + epsilon) * scale
    return F.layer_norm(x, (width,), scale, p.get(f"{name}.bias", width), epsilon)


def turn(x, heads, depth):
    """Rotary positions of the first heads of x (rows, steps, ...): pairs are (j, j + depth/2)."""
    half = depth // 2
    angles = torch.arange(x.shape[1]).double()[:, None] / 10000 ** (2 * torch.arange(half).double() / depth)
    cos, sin = angles.cos().float().double(), angles.sin().float().double()
    parts = []
    for h in range(heads):
        a, b = x[..., h * depth : h * depth + half], x[..., h * depth + half : (h + 1) * depth]
        parts += [a * cos - b * sin, b * cos + a * sin]
    return torch.cat([*parts, x[..., heads * depth :]], -1)


def attend(q, k, v, heads, key_heads, causal=False, mask=None):
    depth = q.shape[-1] // heads
    results = []
    for h in range(heads):
        g = h // (heads // key_heads)
        part = lambda x, i: x[..., i * depth : (i + 1) * depth]
        scores = part(q, h) @ part(k, g).transpose(1, 2) / math.sqrt(depth)
        if causal:
            scores = scores + torch.full(scores.shape[1:], -math.inf).double().triu(1)
        if mask is not None:
            scores = scores.masked_fill(mask[:, None, :] == 0, -math.inf)
        results.append(scores.softmax(-1) @ part(v, g))
    return torch.cat(results, -1)


def self_attention(p, name, x, heads, key_heads=None, causal=False, rotary=False, bias=True, mask=None):
    key_heads = key_heads or heads
    width = x.shape[-1]
    depth = width // heads
    qkv = linear(p, f"{name}qkv", x, (heads + 2 * key_heads) * depth, bias)
    if rotary:
        qkv = turn(qkv, heads + key_heads, depth)
    q, k, v = qkv.split([heads * depth, key_heads * depth, key_heads * depth], -1)
    return linear(p, f"{name}output", attend(q, k, v, heads, key_heads, causal, mask), width, bias)


def cross_attention(p, name, x, memory, heads, key_heads=None, bias=True, mask=None):
    key_heads = key_heads or heads
    width = x.shape[-1]
    q = linear(p, f"{name}query", x, width, bias)
    k, v = linear(p, f"{name}key_value", memory, 2 * key_heads * width // heads, bias).chunk(2, -1)
    return linear(p, f"{name}output", attend(q, k, v, heads, key_heads, mask=mask), width, bias)


def feed_forward(p, prefix, x, units, activation="gelu", gated=False, bias=True):
    y = linear(p, f"{prefix}in", x, units, bias)
    act = ACTIVATIONS[activation]
    y = act(linear(p, f"{prefix}gate", x, units, bias)) * y if gated else act(y)
    return linear(p, f"{prefix}out", y, x.shape[-1], bias)


def block(p, name, layer, x, memory, mask, memory_mask):
    kind, post = layer.get("norm", "layer_norm"), layer.get("norm_position") == "post"
    heads, key_heads, bias = layer["heads"], layer.get("key_heads"), layer.get("bias", True)

    def residual(norm_name, x, inner):
        full = f"{name}.{norm_name}"
        change = p.drop(inner(x if post else norm(p, full, x, kind)), layer.get("dropout", 0))
        return norm(p, full, x + change, kind) if post else x + change

    causal = layer["type"] == "transformer_decoder"
    prefix = f"{name}.attention."
    attention = lambda z: self_attention(p, prefix, z, heads, key_heads, causal, layer.get("rotary", False), bias, mask)
    x = residual("norm1", x, attention)
    if memory is not None:
        x = residual("norm_cross", x, lambda z: cross_attention(p, f"{name}.cross.", z, memory, heads, key_heads, bias, memory_mask))
    forward = [layer["units"], layer.get("activation", "gelu"), layer.get("gated", False), bias]
    return residual("norm2", x, lambda z: feed_forward(p, f"{name}.feed_forward.", z, *forward))


GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def recurrent(p, name, layer, x, initial, mask):
    kind, units, depth = layer["type"], layer["units"], layer.get("depth", 1)
    ways = 2 if layer.get("bidirectional") else 1
    flat, width = [], x.shape[-1]
    for level in range(1, depth + 1):
        for way in range(ways):
            prefix = f"{name}." + (f"level{level}." if level > 1 else "") + ("reverse." if way else "")
            gates = GATES[kind] * units
            w, u = p.get(f"{prefix}weight", width, gates), p.get(f"{prefix}recurrent_weight", units, gates)
            flat += [w.T, u.T]
            if layer.get("bias", True):
                bias, inner = p.get(f"{prefix}bias", gates), torch.zeros(gates).double()
                if kind == "gru":
                    inner = torch.cat([inner[: 2 * units], p.get(f"{prefix}recurrent_bias", units)])
                flat += [bias, inner]
        width = ways * units
    states = lambda s: s.reshape(-1, depth * ways, units).transpose(0, 1).contiguous()
    hidden = [states(s) for s in initial] or [torch.zeros(depth * ways, x.shape[0], units).double()] * (2 if kind == "lstm" else 1)
    # PyTorch's own dropout draws from another generator: with one, it is given a level at a time
    rate, y = layer.get("dropout", 0), x
    together = depth if rate == 0 else 1
    for level in range(0, depth, together):
        places = slice(level * ways, (level + together) * ways)
        weights = flat[len(flat) // depth * level : len(flat) // depth * (level + together)]
        if level > 0:
            y = p.drop(y, rate)
        y, h = levels(kind, y, [s[places] for s in hidden], weights, layer.get("bias", True), ways, mask)
    if layer.get("returns") == "sequence":
        return y
    return h[-ways:].transpose(0, 1).flatten(1)


def levels(kind, x, hidden, flat, bias, ways, mask):
    """Levels of a recurrent layer that are one call in PyTorch: the last one's states (rows, steps, ways·units), and the last of each way and level."""
    depth, units = hidden[0].shape[0] // ways, hidden[0].shape[-1]
    hidden = tuple(hidden) if kind == "lstm" else hidden[0]
    function = {"rnn": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}[kind]
    rest = (bias, depth, 0.0, True, ways == 2)
    if mask is None:
        return function(x, hidden, flat, *rest, True)[:2]
    lengths = mask.sum(1).long()
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    order = packed.sorted_indices
    sort = lambda s: s.index_select(1, order)
    hidden = tuple(map(sort, hidden)) if kind == "lstm" else sort(hidden)
    data, h, *_ = function(packed.data, packed.batch_sizes, hidden, flat, *rest)
    packed = torch.nn.utils.rnn.PackedSequence(data, packed.batch_sizes, order, packed.unsorted_indices)
    y, _ = torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    # where there is padding, the state goes on as it is: forwards the last one, backwards the initial one, which PyTorch has only zeros for
    after = lambda r, n: torch.cat([y[r, n - 1, :units], y.new_zeros(units * (ways - 1))])
    y = torch.stack([torch.cat([y[r, :n], after(r, n).expand(x.shape[1] - n, -1)]) for r, n in enumerate(lengths.tolist())])
    return y, h.index_select(1, packed.unsorted_indices)


def channels_first(x):
    return x.movedim(-1, 1)


def counted(x, mask):
    """Each row as it is without its padding."""
    return [row[m > 0] for row, m in zip(x, mask)]


def back(rows, like):
    """Rows of their own length, zeros behind them."""
    return torch.stack([torch.cat([row, row.new_zeros(like.shape[1] - len(row), row.shape[-1])]) for row in rows])


def pool(kind, x, size, stride, mask=None):
    """Windows over what counts; 0 where nothing does."""
    mean_or_most = (lambda part: part.amax(0)) if "max" in kind else (lambda part: part.mean(0))
    rows = list(x) if mask is None else counted(x, mask)
    starts = range(0, x.shape[1] - size + 1, stride)
    zeros = x.new_zeros(x.shape[-1])
    return torch.stack([torch.stack([mean_or_most(row[i : i + size]) if i < len(row) else zeros for i in starts]) for row in rows])


def conv1d(p, name, layer, x, mask):
    kernel, stride, dilation = layer.get("kernel_size", 3), layer.get("stride", 1), layer.get("dilation", 1)
    w, b = p.get(f"{name}.weight", kernel, x.shape[-1], layer["filters"]), p.get(f"{name}.bias", layer["filters"])
    if mask is not None:
        # what is behind a row's end is zeros
        x = back(counted(x, mask), x)
    reach, length, padding = (kernel - 1) * dilation + 1, x.shape[1], layer.get("padding", "valid")
    if padding != "valid":
        zeros = max(0, (-(-length // stride) - 1) * stride + reach - length)
        before = reach - 1 if padding == "causal" else zeros // 2
        x = F.pad(x, [0, 0, before, max(0, zeros - before)])
    return F.conv1d(channels_first(x), w.permute(2, 1, 0), b, stride, 0, dilation).movedim(1, -1)


def mask_after(layer, masks, x, y):
    """Which steps of y count."""
    kind, mask = layer["type"], masks[0]
    if kind in ("add", "multiply", "concatenate"):
        return math.prod(known[1:], start=known[0]) if (known := [m for m in masks if m is not None]) else None
    if mask is None or y.dim() != 3 or kind in ("permute", "reshape"):
        return None
    lengths = mask.sum(1, keepdim=True)
    steps = torch.arange(y.shape[1]).double()
    if kind in ("conv1d", "max_pool1d", "average_pool1d"):
        # a window that begins at a step that counts
        return (steps * layer.get("stride", 1 if kind == "conv1d" else layer.get("size", 2)) < lengths).double()
    if kind == "upsample1d":
        return (steps < lengths * layer.get("factor", 2)).double()
    if kind == "zero_padding1d":
        before = layer.get("before", 1)
        return ((steps >= before) & (steps < before + lengths)).double()
    return mask


def apply(p, layer, inputs, masks, training):
    kind, name, x = layer["type"], layer["name"], inputs[0]
    width = x.shape[-1]
    if kind in GATES:
        return recurrent(p, name, layer, x, inputs[1:], masks[0])
    if kind == "dense":
        return ACTIVATIONS[layer.get("activation", "linear")](linear(p, name, x, layer["units"], layer.get("bias", True)))
    if kind == "embedding":
        return F.embedding(x.long(), p.get(f"{name}.weight", layer["vocabulary"], layer["units"]))
    if kind == "masking":
        return x * (x != layer["value"]).any(-1, keepdim=True)
    if kind == "position_embedding":
        if layer.get("kind", "learned") == "learned":
            return x + p.get(f"{name}.weight", x.shape[1], width)
        column = torch.arange(width)
        angle = torch.arange(x.shape[1]).double()[:, None] / 10000 ** ((column - column % 2).double() / width)
        return x + torch.where(column % 2 == 0, angle.sin(), angle.cos())
    if kind in ("layer_norm", "rms_norm"):
        return norm(p, name, x, kind, layer.get("epsilon", 1e-5))
    if kind == "group_norm":
        scale, bias = p.get(f"{name}.scale", width), p.get(f"{name}.bias", width)
        if masks[0] is not None:
            norm_row = lambda row: F.group_norm(row.T[None], layer.get("groups", 1), scale, bias, 1e-5)[0].T
            return back([norm_row(row) for row in counted(x, masks[0])], x)
        return F.group_norm(channels_first(x), layer.get("groups", 1), scale, bias, 1e-5).movedim(1, -1)
    if kind == "batch_norm":
        scale, bias = p.get(f"{name}.scale", width), p.get(f"{name}.bias", width)
        mean, variance = p.statistic(f"{name}.running_mean", width), p.statistic(f"{name}.running_variance", width)
        momentum, epsilon = layer.get("momentum", 0.1), layer.get("epsilon", 1e-5)
        if training and masks[0] is not None:
            known = torch.cat(counted(x, masks[0]))
            F.batch_norm(known, mean, variance, scale, bias, True, momentum, epsilon)
            return (x - known.mean(0)) / (known.var(0, unbiased=False) + epsilon).sqrt() * scale + bias
        return F.batch_norm(channels_first(x), mean, variance, scale, bias, training, momentum, epsilon).movedim(1, -1)
    if kind == "attention":
        options = [layer["heads"], layer.get("key_heads")]
        if len(inputs) > 1:
            return cross_attention(p, f"{name}.", x, inputs[1], *options, mask=masks[1])
        more = {key: layer[key] for key in ("causal", "rotary", "bias") if key in layer}
        return self_attention(p, f"{name}.", x, *options, **more, mask=masks[0])
    if kind.startswith("transformer"):
        memory, memory_mask = (inputs[1], masks[1]) if len(inputs) > 1 else (None, None)
        return block(p, name, layer, x, memory, masks[0], memory_mask)
    if kind == "feed_forward":
        return feed_forward(p, f"{name}.", x, layer["units"], layer.get("activation", "gelu"), layer.get("gated", False))
    if kind == "glu":
        a, b = x.chunk(2, -1)
        return a * ACTIVATIONS[layer.get("activation", "sigmoid")](b)
    if kind.startswith("upsample"):
        options = {"mode": "bilinear", "align_corners": False} if layer.get("method") == "bilinear" else {"mode": "nearest"}
        return F.interpolate(channels_first(x), scale_factor=layer.get("factor", 2), **options).movedim(1, -1)
    if kind == "zero_padding1d":
        return F.pad(x, [0, 0, layer.get("before", 1), layer.get("after", 1)])
    if kind == "zero_padding2d":
        return F.pad(x, [0, 0] + [layer.get(side, 1) for side in ("left", "right", "top", "bottom")])
    if kind == "permute":
        return x.permute(0, *[i + 1 for i in layer["order"]])
    if kind == "flatten":
        return x.flatten(1)
    if kind == "reshape":
        return x.reshape(-1, *layer["shape"])
    if kind == "conv1d":
        return conv1d(p, name, layer, x, masks[0])
    if kind in ("max_pool1d", "average_pool1d"):
        size = layer.get("size", 2)
        return pool(kind, x, size, layer.get("stride", size), masks[0])
    if kind in ("global_max_pool1d", "global_average_pool1d"):
        return pool(kind, x, x.shape[1], 1, masks[0])[:, 0]
    if kind == "global_max_pool2d":
        return x.amax((1, 2))
    if kind == "dropout":
        return p.drop(x, layer.get("rate", 0.5))
    if kind == "spatial_dropout":
        return p.drop(x, layer.get("rate", 0.5), [len(x), *[1] * (x.dim() - 2), width])
    if kind == "stochastic_depth":
        return p.drop(x, layer.get("rate", 0.5), [len(x), *[1] * (x.dim() - 1)])
    if kind == "activity_regularization":
        counts = x if masks[0] is None else x * masks[0][..., None]
        p.penalty = p.penalty + layer.get("l1", 0) * counts.abs().sum() / len(x) + layer.get("l2", 0) * (counts**2).sum() / len(x)
        return x
    if kind == "activation":
        return F.softmax(x, -1) if layer["activation"] == "softmax" else ACTIVATIONS[layer["activation"]](x)
    if kind == "add":
        return sum(inputs[1:], x)
    if kind == "multiply":
        return math.prod(inputs[1:], start=x)
    if kind == "concatenate":
        return torch.cat(inputs, -1)
    raise ValueError(kind)


def ids(lengths, steps, vocabulary):
    """Whole numbers, 0 behind a row's length."""
    return [[1 + (r * 5 + t * 3) % (vocabulary - 1) if t < n else 0 for t in range(steps)] for r, n in enumerate(lengths)]


SEQUENCE, IMAGE, VECTOR = (4, 6), (3, 4, 6), (6,)
LENGTHS = [5, 2, 4]
WINDOWS = ({}, {"size": 3, "stride": 1}, {"size": 2, "stride": 3})
# more than 32 bits
SEED = 2**40 + 11
TOKENS = {"type": "embedding", "name": "tokens", "vocabulary": 7, "units": 4, "padding": True}


def one(dims, **layer):
    return {"inputs": {"input": dims}, "layers": [layer]}


def packed(*layers, lengths=LENGTHS, **states):
    """Rows of which some end early; `states`: widths of other inputs, behind the indices of a row."""
    tokens, more = ids(lengths, 5, 7), sum(states.values())
    x = [row + [round(math.sin(r + 2 * i), 3) for i in range(more)] for r, row in enumerate(tokens)]
    return {"inputs": {"input": (5,), **{name: (width,) for name, width in states.items()}}, "x": x, "layers": [TOKENS, *layers]}


def numbers(*layers):
    """Steps of numbers; -1.5 stands in all of those that are padding, and in one value of another."""
    rows = [[-1.5 if t >= n or (t, c) == (1, 0) else round(math.sin(r + 3 * t + c), 3) for t in range(5) for c in range(2)] for r, n in enumerate(LENGTHS)]
    return {"inputs": {"input": (5, 2)}, "x": rows, "layers": [{"type": "masking", "name": "masked", "value": -1.5}, *layers]}


def with_state(kind, depth=1, ways=1, **more):
    states = ["h", "c"] if kind == "lstm" else ["h"]
    layer = {"type": kind, "units": 3, "inputs": ["input", *states], **more}
    if depth > 1:
        layer["depth"] = depth
    if ways > 1:
        layer["bidirectional"] = True
    return {"inputs": {"input": (4, 2), **{s: (3 * depth * ways,) for s in states}}, "layers": [layer]}


def cross(**layer):
    return {"inputs": {"input": (3, 4), "memory": (5, 6)}, "layers": [{"inputs": ["input", "memory"], **layer}]}


def block_case(kind="transformer_encoder", **more):
    return one((3, 4), type=kind, heads=2, units=5, **more)


CASES = [
    one(VECTOR, type="dense", units=3, activation="tanh"),
    one((2, 3), type="dense", units=2),
    one(VECTOR, type="dense", units=4, bias=False, activation="gelu"),
    one(VECTOR, type="dense", units=4, activation="silu"),
    *[one(SEQUENCE, type=kind) for kind in ("layer_norm", "rms_norm")],
    one(VECTOR, type="layer_norm", epsilon=0.01),
    *[one(IMAGE, type="group_norm", groups=groups) for groups in (1, 3, 6)],
    one(SEQUENCE, type="group_norm", groups=2),
    one(VECTOR, type="batch_norm"),
    one(SEQUENCE, type="batch_norm", momentum=0.4),
    one((2, 3, 3), type="batch_norm", epsilon=0.1),
    {**one(VECTOR, type="batch_norm"), "training": False},
    {**one((2, 2, 3), type="batch_norm"), "training": False},
    packed({"type": "flatten"}),
    one((4, 5), type="position_embedding"),
    one((4, 5), type="position_embedding", kind="sinusoidal"),
    *[one((4, 3), type=kind, units=3, returns=returns) for kind in GATES for returns in ("last", "sequence")],
    *[one((3, 2), type=kind, units=2, depth=2, bidirectional=True, returns="sequence") for kind in GATES],
    *[one((3, 2), type=kind, units=2, depth=2, bidirectional=True) for kind in GATES],
    *[one((3, 2), type=kind, units=2, bias=False) for kind in GATES],
    *[with_state(kind) for kind in GATES],
    *[with_state(kind, 2, 2, returns="sequence") for kind in GATES],
    *[packed({"type": kind, "units": 3, "returns": returns}) for kind in GATES for returns in ("last", "sequence")],
    *[packed({"type": kind, "units": 2, "depth": 2, "bidirectional": True}) for kind in GATES],
    *[packed({"type": kind, "units": 2, "bidirectional": True, "returns": "sequence"}) for kind in GATES],
    packed({"type": "lstm", "units": 3, "inputs": ["tokens", "h", "c"]}, h=3, c=3),
    packed({"type": "gru", "units": 2, "depth": 2, "inputs": ["tokens", "h"]}, h=4),
    packed({"type": "rnn", "units": 2, "bidirectional": True, "inputs": ["tokens", "h"]}, h=4),
    *[packed({"type": f"global_{kind}_pool1d"}, lengths=[5, 0, 3]) for kind in ("average", "max")],
    *[packed({"type": f"{kind}_pool1d", **window}, lengths=[5, 0, 3]) for kind in ("average", "max") for window in WINDOWS],
    *[
        packed({"type": "conv1d", "name": "convolved", "filters": 3, **more}, {"type": "global_average_pool1d"})
        for more in ({"padding": "same"}, {"padding": "same", "stride": 2}, {"padding": "causal", "dilation": 2}, {"kernel_size": 2})
    ],
    packed(
        {"type": "conv1d", "name": "wide", "filters": 3, "stride": 2, "kernel_size": 3},
        {"type": "max_pool1d", "name": "pooled", "stride": 1},
        {"type": "global_max_pool1d"},
    ),
    *[
        numbers({"type": "dense", "name": "wider", "units": 3, "activation": "tanh"}, layer)
        for layer in ({"type": "global_average_pool1d"}, {"type": "lstm", "units": 3}, {"type": "flatten"})
    ],
    packed({"type": "group_norm", "groups": 2}),
    packed({"type": "batch_norm", "momentum": 0.4}),
    packed({"type": "batch_norm", "name": "normed"}, {"type": "global_average_pool1d"}, lengths=[5, 0, 3]),
    packed({"type": "upsample1d", "name": "longer"}, {"type": "global_average_pool1d"}),
    packed({"type": "zero_padding1d", "name": "padded", "before": 2, "after": 1}, {"type": "global_average_pool1d"}),
    packed({"type": "permute", "name": "turned", "order": [1, 0]}, {"type": "global_average_pool1d"}),
    *[
        {
            "inputs": {"input": (5,), "other": (5,)},
            "x": [a + b for a, b in zip(ids([4, 2, 5], 5, 7), ids([5, 4, 3], 5, 7))],
            "layers": [
                TOKENS,
                {**TOKENS, "name": "others", "inputs": ["other"]},
                {"type": kind, "name": "both", "inputs": ["tokens", "others"]},
                {"type": "global_average_pool1d"},
            ],
        }
        for kind in ("add", "multiply", "concatenate")
    ],
    {
        "inputs": {"input": (4,), "other": (4,)},
        "x": [a + b for a, b in zip(ids([4, 4, 4], 4, 7), ids([4, 2, 3], 4, 7))],
        "layers": [
            {"type": "embedding", "name": "plain", "vocabulary": 7, "units": 4},
            {**TOKENS, "name": "others", "inputs": ["other"]},
            {"type": "attention", "name": "seen", "heads": 2, "inputs": ["plain", "others"]},
            {"type": "global_average_pool1d"},
        ],
    },
    one(SEQUENCE, type="attention", heads=2),
    one(SEQUENCE, type="attention", heads=3, causal=True, bias=False),
    one((3, 8), type="attention", heads=4, key_heads=2),
    one((3, 8), type="attention", heads=4, key_heads=1, causal=True, rotary=True),
    one((4, 4), type="attention", heads=1, rotary=True),
    packed({"type": "attention", "heads": 2}),
    packed({"type": "attention", "heads": 2, "causal": True}),
    cross(type="attention", heads=2),
    cross(type="attention", heads=2, key_heads=1),
    {
        "inputs": {"input": (5,)},
        "x": ids(LENGTHS, 5, 7),
        "layers": [TOKENS, {"type": "dense", "name": "plain", "units": 4}, {"type": "attention", "heads": 2, "inputs": ["plain", "tokens"]}],
    },
    block_case(),
    block_case(norm_position="post", activation="relu"),
    block_case(norm="rms_norm", gated=True, activation="silu", bias=False),
    block_case("transformer_decoder", gated=True, rotary=True),
    block_case("transformer_decoder", key_heads=1, norm_position="post"),
    block_case(key_heads=1, rotary=True, gated=True, norm="rms_norm", norm_position="post"),
    cross(type="transformer_decoder", heads=2, units=5),
    cross(type="transformer_decoder", heads=2, units=5, norm="rms_norm", norm_position="post"),
    # the other sequence has padding, and this one too
    packed({"type": "dense", "name": "plain", "units": 4}, {"type": "transformer_decoder", "heads": 2, "units": 5, "inputs": ["plain", "tokens"]}),
    packed({"type": "transformer_encoder", "heads": 2, "units": 5}),
    packed({"type": "transformer_decoder", "heads": 2, "units": 5, "norm_position": "post"}),
    one(VECTOR, type="feed_forward", units=4, activation="relu"),
    one((3, 4), type="feed_forward", units=5, gated=True),
    one(SEQUENCE, type="glu"),
    one(VECTOR, type="glu", activation="silu"),
    one((3, 2), type="upsample1d", factor=3),
    one((2, 3, 2), type="upsample2d"),
    one((2, 3, 2), type="upsample2d", method="bilinear"),
    one((3, 1, 2), type="upsample2d", factor=3, method="bilinear"),
    one((3, 2), type="zero_padding1d", before=2, after=0),
    one((2, 3, 2), type="zero_padding2d", top=0, bottom=2, left=1, right=3),
    one((2, 3, 4), type="permute", order=[2, 0, 1]),
    one((3, 4), type="permute", order=[1, 0]),
    one((2, 3, 2), type="flatten"),
    one((2, 6), type="reshape", shape=[3, 2, 2]),
    one((2, 3, 2), type="global_max_pool2d"),
    one(SEQUENCE, type="activation", activation="softmax"),
    *[
        {"inputs": {"input": (2, 3), "b": (2, 3), "c": (2, 3)}, "layers": [{"type": kind, "inputs": ["input", "b", "c"]}]}
        for kind in ("add", "multiply", "concatenate")
    ],
    *[
        {**one(dims, type=kind, rate=rate), "seed": seed, "step": step}
        for kind, shapes in (("dropout", [VECTOR, (7, 5)]), ("spatial_dropout", [(4, 6), (2, 3, 5)]), ("stochastic_depth", [VECTOR, (3, 4)]))
        for dims, rate, seed in zip(shapes, (0.3, 0.6), (8, SEED))
        for step in (0, 1, 2**32 + 3)
    ],
    *[{**one((3, 4), type=kind), "training": False} for kind in ("dropout", "spatial_dropout", "stochastic_depth")],
    # each layer draws by itself
    {
        "inputs": {"input": (4, 6)},
        "layers": [
            {"type": "dropout", "name": "some", "rate": 0.2},
            {"type": "dense", "name": "first", "units": 5, "activation": "tanh"},
            {"type": "spatial_dropout", "name": "channels", "rate": 0.3},
            {"type": "dropout", "name": "more", "rate": 0.4},
        ],
        "seed": 1,
        "step": 2,
    },
    {
        "inputs": {"input": (4, 6)},
        "layers": [
            {"type": "dense", "name": "branch", "units": 6, "activation": "tanh"},
            {"type": "stochastic_depth", "name": "lost", "rate": 0.4},
            {"type": "add", "inputs": ["input", "lost"]},
        ],
        "seed": 2,
        "step": 1,
    },
    *[
        {**case, "seed": 3, "step": 7}
        for case in (
            block_case(dropout=0.3),
            block_case("transformer_decoder", dropout=0.5, norm_position="post"),
            cross(type="transformer_decoder", heads=2, units=5, dropout=0.2),
            packed({"type": "transformer_encoder", "heads": 2, "units": 5, "dropout": 0.3}),
            packed({"type": "dropout", "name": "some", "rate": 0.3}, {"type": "global_average_pool1d"}),
            *[one((3, 2), type=kind, units=2, depth=3, dropout=0.3, returns="sequence") for kind in GATES],
            one((3, 2), type="lstm", units=2, depth=2, bidirectional=True, dropout=0.5),
            with_state("gru", 2, dropout=0.4),
            packed({"type": "gru", "units": 3, "depth": 2, "bidirectional": True, "dropout": 0.4}),
        )
    ],
    one(VECTOR, type="activity_regularization", l1=0.03, l2=0.05),
    one((2, 3), type="activity_regularization", l1=0.2),
    packed({"type": "activity_regularization", "name": "small", "l1": 0.1, "l2": 0.3}, {"type": "global_average_pool1d"}),
    {
        "inputs": {"input": VECTOR},
        "layers": [
            {"type": "dense", "name": "first", "units": 6, "activation": "relu"},
            {"type": "dense", "name": "second", "units": 6},
            {"type": "add", "inputs": ["first", "second"]},
        ],
    },
]


def run(case):
    noise = Noise(1)
    sizes = {name: int(torch.tensor(dims).prod()) for name, dims in case["inputs"].items()}
    x = noise.tensor((ROWS, sum(sizes.values()))).requires_grad_() if "x" not in case else torch.tensor(case["x"]).double()
    training = case.get("training", True)
    parameters = Parameters(noise, Dropouts(case.get("seed", 0), case.get("step", 0), training))
    parts = x.split(list(sizes.values()), 1)
    values = {name: part.reshape(ROWS, *dims) for part, (name, dims) in zip(parts, case["inputs"].items())}
    masks = {name: None for name in values}
    last, layers = "input", []
    for i, given in enumerate(case["layers"]):
        layer = {"name": "layer", **given} if i == len(case["layers"]) - 1 else given
        layer.setdefault("inputs", [last])
        last = layer["name"]
        own = [masks[name] for name in layer["inputs"]]
        values[last] = apply(parameters, layer, [values[name] for name in layer["inputs"]], own, training)
        if layer["type"] == "embedding" and layer.get("padding"):
            masks[last] = (values[layer["inputs"][0]] != 0).double()
        elif layer["type"] == "masking":
            masks[last] = (values[layer["inputs"][0]] != layer["value"]).any(-1).double()
        else:
            masks[last] = mask_after(layer, own, values[layer["inputs"][0]], values[last])
        layers.append(layer)
    y = values[last]
    target = noise.tensor(y.shape)
    if training:
        (((y - target) ** 2).mean() + parameters.penalty).backward()
    gradients = {} if not training else {**({} if "x" in case else {"x": digits(x.grad)}), **{name: digits(v.grad) for name, v in parameters.values.items()}}
    result = {"inputs": {n: list(d) for n, d in case["inputs"].items()}, "layers": layers}
    result.update({key: case[key] for key in ("x", "training", "seed", "step") if key in case})
    result.update({"shape": list(y.shape[1:]), "output": digits(y), "gradients": gradients})
    if parameters.running:
        result["running"] = {name: digits(v) for name, v in parameters.running.items()}
    return result


if __name__ == "__main__":
    cases = ",\n".join("    " + json.dumps(run(case), separators=(",", ":")) for case in CASES)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.json")
    with open(path, "w") as file:
        file.write(f'{{\n  "rows": {ROWS},\n  "cases": [\n{cases}\n  ]\n}}\n')
