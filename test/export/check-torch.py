"""Runs the PyTorch code of exports: python3 check-torch.py <folder>

The folder has cases.json, a list of {"code", "inputs": {name: {"shape", "data"}}}, and the files that the code loads. Prints what each network
gives, as JSON: for each case a list of values, of one output behind the other, or what went wrong as a text.
"""
import json
import os
import sys
import types

import numpy
import torch

try:
    import safetensors.torch
except ImportError:
    # Debian has no safetensors: the format is a length, a header and bytes
    def load_file(path):
        with open(path, "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            data = bytearray(file.read())
        header.pop("__metadata__", None)
        return {
            name: torch.frombuffer(data, dtype=torch.float32, count=(e["data_offsets"][1] - e["data_offsets"][0]) // 4, offset=e["data_offsets"][0]).reshape(e["shape"])
            for name, e in header.items()
        }

    sys.modules["safetensors"] = types.ModuleType("safetensors")
    sys.modules["safetensors.torch"] = types.ModuleType("safetensors.torch")
    sys.modules["safetensors.torch"].load_file = load_file

torch.set_num_threads(1)
os.chdir(sys.argv[1])


def run(case):
    names = {}
    exec(case["code"], names)
    tensors = [torch.tensor(v["data"], dtype=torch.float32).reshape(v["shape"]) for v in case["inputs"].values()]
    with torch.no_grad():
        outputs = names["network"](*tensors)
    return [v for y in (outputs if isinstance(outputs, tuple) else (outputs,)) for v in y.flatten().tolist()]


def attempt(case):
    try:
        return run(case)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


arrays = {}
if os.path.exists("weights.npz"):
    arrays = {name: [list(a.shape), a.flatten().tolist()] for name, a in numpy.load("weights.npz").items()}
print(json.dumps({"cases": [attempt(case) for case in json.load(open("cases.json"))], "npz": arrays}))
