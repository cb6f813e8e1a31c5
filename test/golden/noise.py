"""What the scripts draw from, and how they write numbers down."""
import torch


class Noise:
    """Park & Miller's generator: exact in float64, so JavaScript makes the same numbers. In (-1, 1), rounded to float32."""

    def __init__(self, seed=1):
        self.state = seed

    def tensor(self, shape, scale=1.0, shift=0.0):
        values = []
        for _ in range(int(torch.tensor(shape).prod())):
            self.state = self.state * 16807 % 2147483647
            values.append((self.state / 1073741824 - 1) * scale + shift)
        return torch.tensor(values, dtype=torch.float64).float().double().reshape(shape)


def digits(tensor, count=6):
    return [float(f"{v:.{count}g}") for v in tensor.detach().flatten().tolist()]
