"""Trains the two Shakespeare examples in Trainyard, over HTTP, and in PyTorch: the same initial weights (downloaded from a job whose learning
rate is next to nothing), the same batches (Philox and Fisher & Yates again), the same optimizer and schedule. Prints one line of JSON for each
example: losses of both, and the ratio of their test losses.

    npm start &                                                   # or any running Trainyard
    python3 bench/language-models.py http://127.0.0.1:3000/v1 lstm gpt [--steps 400]

Needs Python 3.9 and PyTorch 1.13 or later with NumPy.
"""
import argparse
import json
import math
import pathlib
import struct
import sys
import time
import urllib.request

import numpy
import torch
from torch.nn import functional

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
TEXT = EXAMPLES / "shakespeare.txt"
CONTEXT = 64


def call(method, url, body=None, kind="application/json"):
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": kind} if data else {}, method=method)
    with urllib.request.urlopen(request) as response:
        return response.read()


def run_job(api, spec):
    job = json.loads(call("POST", f"{api}/jobs", spec))
    while job["status"] not in ("succeeded", "failed", "cancelled"):
        time.sleep(1)
        job = json.loads(call("GET", f"{api}/jobs/{job['id']}"))
    if job["status"] != "succeeded":
        raise SystemExit(f"the job ended {job['status']}: {job['error']}")
    return job


def load_weights(api, job):
    raw = call("GET", f"{api}/jobs/{job['id']}/checkpoints/latest/download")
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + size])
    return {
        name: torch.from_numpy(
            numpy.frombuffer(raw, "<f4", (to - start) // 4, 8 + size + start).reshape(t["shape"]).copy()
        )
        for name, t in header.items()
        if name != "__metadata__" and not name.startswith("optimizer/")
        for start, to in [t["data_offsets"]]
    }


# ---- batches ------------------------------------------------------------------------------------------------------


def philox(counter, stream, epoch, seed):
    """Words (n, 4) of Philox 4x32-10 for counters (n), as src/engine/random.ts draws them."""
    u64, low = numpy.uint64, numpy.uint64(0xFFFFFFFF)
    x = [counter.astype(u64), *(numpy.full_like(counter, v, u64) for v in (stream, epoch, 0))]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a, b = u64(0xD2511F53) * x[0], u64(0xCD9E8D57) * x[2]
        x = [(b >> u64(32)) ^ x[1] ^ u64(key[0]), b & low, (a >> u64(32)) ^ x[3] ^ u64(key[1]), a & low]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return numpy.stack(x, 1)


def epoch_order(tokens, epoch, seed):
    """Beginnings of the windows of one epoch, in the order in which they are trained on."""
    places = tokens - CONTEXT
    count = places // CONTEXT
    phases = min(CONTEXT, places - (count - 1) * CONTEXT)
    phase = int(philox(numpy.array([0]), 2, epoch, seed)[0, 0]) * phases >> 32
    order = phase + CONTEXT * numpy.arange(count)
    words = philox(numpy.arange((count + 3) // 4), 0, epoch, seed).reshape(-1)
    for draw, last in enumerate(range(count - 1, 0, -1)):
        other = int(words[draw]) * (last + 1) >> 32
        order[last], order[other] = order[other], order[last]
    return order


# ---- networks -----------------------------------------------------------------------------------------------------


def lstm(w):
    """Logits (rows, T, V) of tokens (rows, T)."""
    units = w["lstm_1.recurrent_weight"].shape[0]
    cell = torch.nn.LSTM(w["lstm_1.weight"].shape[0], units, batch_first=True)
    shapes = [("weight_ih_l0", "lstm_1.weight"), ("weight_hh_l0", "lstm_1.recurrent_weight")]
    for own, name in shapes:
        getattr(cell, own).data = w[name].t().contiguous()
    cell.bias_ih_l0.data = w["lstm_1.bias"].clone()
    # Trainyard has one bias
    cell.bias_hh_l0.data.zero_()
    cell.bias_hh_l0.requires_grad_(False)
    parameters = {
        "embedding": w["embedding_1.weight"],
        "output": w["output.weight"],
        "bias": w["output.bias"],
    }
    parameters = {name: torch.nn.Parameter(value.clone()) for name, value in parameters.items()}

    def forward(x):
        hidden, _ = cell(functional.embedding(x, parameters["embedding"]))
        return hidden @ parameters["output"] + parameters["bias"]

    return forward, [*parameters.values(), *(p for p in cell.parameters() if p.requires_grad)]


def gpt(w):
    p = {name: torch.nn.Parameter(value.clone()) for name, value in w.items()}
    heads = 4
    mask = torch.full((CONTEXT, CONTEXT), -math.inf).triu(1)

    def norm(x, name):
        return functional.layer_norm(x, x.shape[-1:], p[f"{name}.scale"], p[f"{name}.bias"], 1e-5)

    def linear(x, name):
        return x @ p[f"{name}.weight"] + p[f"{name}.bias"]

    def block(x, name):
        rows, steps, width = x.shape
        qkv = linear(norm(x, f"{name}.norm1"), f"{name}.attention.qkv")
        q, k, v = (part.view(rows, steps, heads, -1).transpose(1, 2) for part in qkv.split(width, 2))
        scores = q @ k.transpose(2, 3) / math.sqrt(width // heads) + mask
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(rows, steps, width)
        x = x + linear(y, f"{name}.attention.output")
        inner = functional.gelu(linear(norm(x, f"{name}.norm2"), f"{name}.feed_forward.in"))
        return x + linear(inner, f"{name}.feed_forward.out")

    def forward(tokens):
        x = functional.embedding(tokens, p["embedding_1.weight"]) + p["position_embedding_1.weight"]
        for name in ("transformer_decoder_1", "transformer_decoder_2"):
            x = block(x, name)
        return linear(norm(x, "layer_norm_1"), "output")

    return forward, list(p.values())


# ---- training -----------------------------------------------------------------------------------------------------


def schedule(training, step):
    warmup, steps = training["schedule"]["warmup_steps"], training["max_steps"]
    if step < warmup:
        return (step + 1) / (warmup + 1)
    share = min(1, (step - warmup) / max(1, steps - warmup - 1))
    final = training["schedule"]["final_share"]
    return final + (1 - final) * (1 + math.cos(math.pi * share)) / 2


def windows(tokens, starts):
    at = torch.as_tensor(starts)[:, None] + torch.arange(CONTEXT)
    return tokens[at], tokens[at + 1]


def evaluate(forward, tokens, first, count):
    total = 0.0
    with torch.no_grad():
        for begin in range(0, count, 64):
            starts = first + CONTEXT * numpy.arange(begin, min(count, begin + 64))
            x, y = windows(tokens, starts)
            total += functional.cross_entropy(forward(x).flatten(0, 1), y.flatten(), reduction="sum").item()
    return total / (count * CONTEXT)


def train(build, weights, training):
    text = TEXT.read_text(encoding="utf-8")
    held_out = math.floor(len(text) * 0.1 + 0.5)
    split = len(text) - 2 * held_out
    ids = {character: i + 1 for i, character in enumerate(sorted(set(text[:split])))}
    tokens = torch.tensor([ids.get(character, 0) for character in text])
    forward, parameters = build(weights)
    described = training["optimizer"]
    rate, decay = described["learning_rate"], described["weight_decay"]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0},
    ]
    optimizer = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[described["type"]](groups, lr=rate)
    losses, step, epoch, size = [], 0, 0, training["batch_size"]
    best = math.inf
    began = time.perf_counter()
    while step < training["max_steps"]:
        order = epoch_order(split, epoch, training["seed"])
        for begin in range(0, len(order), size):
            if step == training["max_steps"]:
                break
            x, y = windows(tokens, order[begin : begin + size])
            loss = functional.cross_entropy(forward(x).flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, training["clip_norm"])
            for group in optimizer.param_groups:
                group["lr"] = rate * schedule(training, step)
            optimizer.step()
            losses.append(loss.item())
            step += 1
        epoch += 1
        validation = evaluate(forward, tokens, split, (held_out - 1) // CONTEXT)
        if validation < best:
            best, test = validation, evaluate(forward, tokens, split + held_out, (held_out - 1) // CONTEXT)
    return {"losses": losses, "validation": best, "test": test, "seconds": time.perf_counter() - began}


def compare(api, dataset, name, steps):
    spec = {**json.loads((EXAMPLES / f"shakespeare-{name}.json").read_text()), "dataset": dataset}
    if steps is not None:
        spec["training"]["max_steps"] = steps
    still = {**spec["training"], "max_steps": 1, "schedule": "constant"}
    still["optimizer"] = {**still["optimizer"], "learning_rate": 1e-30}
    weights = load_weights(api, run_job(api, {**spec, "training": still}))
    began = time.perf_counter()
    job = run_job(api, spec)
    seconds = time.perf_counter() - began
    own = json.loads(call("GET", f"{api}/jobs/{job['id']}/metrics?name=loss&split=train"))["data"][0]["points"]
    theirs = train({"lstm": lstm, "gpt": gpt}[name], weights, job["spec"]["training"])
    apart = [abs(p["value"] / theirs["losses"][p["step"] - 1] - 1) for p in own]
    shown = [1, 10, 100, 500, 1000, len(theirs["losses"])]
    at = {p["step"]: p["value"] for p in own}
    metrics = job["metrics"]
    print(
        json.dumps(
            {
                "example": f"shakespeare-{name}",
                "parameters": job["runtime"]["parameters"],
                "steps": len(theirs["losses"]),
                "train_loss": {s: [at.get(s), theirs["losses"][s - 1]] for s in shown if s <= len(theirs["losses"])},
                "largest_difference": max(apart),
                "largest_difference_first_100": max(d for p, d in zip(own, apart) if p["step"] <= 100),
                "trainyard": {
                    "validation_loss": metrics["best.validation.loss"],
                    "test_loss": metrics["test.loss"],
                    "test_perplexity": metrics["test.perplexity"],
                    "test_bits_per_character": metrics["test.bits_per_character"],
                    "test_accuracy": metrics["test.accuracy"],
                    "seconds": round(seconds, 1),
                    "threads": job["runtime"]["threads"],
                    "kernels": job["runtime"]["kernels"],
                },
                "pytorch": {
                    "version": torch.__version__,
                    "validation_loss": theirs["validation"],
                    "test_loss": theirs["test"],
                    "seconds": round(theirs["seconds"], 1),
                    "threads": torch.get_num_threads(),
                },
                "test_loss_ratio": metrics["test.loss"] / theirs["test"],
            }
        ),
        flush=True,
    )


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("api")
    arguments.add_argument("names", nargs="+", choices=["lstm", "gpt"])
    arguments.add_argument("--steps", type=int, help="instead of the example's max_steps")
    options = arguments.parse_args()
    raw = call("POST", f"{options.api}/datasets?name=shakespeare", TEXT.read_bytes(), "text/plain")
    dataset = json.loads(raw)["id"]
    for name in options.names:
        compare(options.api, dataset, name, options.steps)


main()
