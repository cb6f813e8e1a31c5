"""What Trainyard draws, made again from the generator's definition: Philox 4×32-10 of Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy
as 1, 2, 3", sections 3.3 and 5.1.

A round takes a counter (c0, c1, c2, c3) to (⌊M1·c2 / 2³²⌋ ⊕ c1 ⊕ k0, M1·c2, ⌊M0·c0 / 2³²⌋ ⊕ c3 ⊕ k1, M0·c0) mod 2³², and the key (k0, k1) then grows by
(W0, W1). The key is the seed; the counter of the four elements from 4b on is (b, stream, step mod 2³², ⌊step / 2³²⌋). A stream is who draws.
"""
import numpy as np
import torch

M0, M1, W0, W1 = (np.uint64(n) for n in (0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85))
LOW, WORD = np.uint64(0xFFFFFFFF), np.uint64(32)
# what draws first among the layers of a network; the next one has the next number
LAYERS, SEARCH = 1_000_000, 1


def philox(counters, key):
    """Counters (n, 4), of which each gives four words of 32 bits, under a key of two."""
    c0, c1, c2, c3 = np.array(counters, np.uint64).T
    k0, k1 = (np.uint64(k) for k in key)
    for _ in range(10):
        p0, p1 = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (p1 >> WORD) ^ c1 ^ k0, p1 & LOW, (p0 >> WORD) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return np.stack([c0, c1, c2, c3], 1)


# the answers published with it (Random123, kat_vectors)
for counter, key, words in (
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0], [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
):
    assert philox([counter], key).tolist() == [words]


def blocks(count, stream, step, seed):
    """The words of the first `count` blocks of a draw (count, 4)."""
    return philox([(b, stream, step % 2**32, step // 2**32) for b in range(count)], (seed % 2**32, seed // 2**32))


class Dropouts:
    """The masks of a network's layers in one step, in the order of the layers; none in evaluation."""

    def __init__(self, seed, step, training):
        self.seed, self.step, self.training, self.stream = seed, step, training, LAYERS

    def drop(self, x, rate, shape=None):
        """x of which a share is lost and the rest scaled up, so that the mean stays. `shape`: of the mask, where it is not that of x."""
        if not self.training or rate == 0:
            return x
        shape = x.shape if shape is None else shape
        count = int(np.prod(shape))
        words = blocks(-(-count // 4), self.stream, self.step, self.seed).ravel()[:count]
        self.stream += 1
        kept = words >= rate * 2**32
        assert kept.any() and not kept.all(), "a mask of ones or of zeros tests little"
        return x * torch.from_numpy(kept.astype(float)).reshape(shape) / (1 - rate)


def normal(shapes, step, seed):
    """Standard normal values by Box & Muller 1958: words (a, b) of 24 bits, (a + 1)/2²⁴ and b/2²⁴, give √(−2 ln a)·cos 2πb and √(−2 ln a)·sin 2πb.
    Each tensor begins with the block behind those of the one before."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    counts = [-(-size // 4) for size in sizes]
    pairs = (blocks(sum(counts), SEARCH, step, seed) >> np.uint64(8)).astype(float).reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log((pairs[:, 0] + 1) / 2**24)), 2 * np.pi * pairs[:, 1] / 2**24
    values = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1, 4)
    parts = np.split(values, np.cumsum(counts)[:-1])
    return [torch.from_numpy(part.ravel()[:size].copy()).reshape(shape) for part, size, shape in zip(parts, sizes, shapes)]
