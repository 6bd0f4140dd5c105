# SPDX-License-Identifier: Apache-2.0
"""A training in small, whose weights show in which order sums were rounded.

It prints a digest of all weights; libraries are held to the portable level, as in a stage.
"""

from __future__ import annotations

from tinyformer.instruction_set import pin

pin()  # before any library is loaded

import hashlib  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

from tinyformer.nets.blocks import initialize  # noqa: E402
from tinyformer.nets.spec import ResidualBlock, StageSpec, SubnetSpec, TransformerBlock  # noqa: E402
from tinyformer.nets.subnet import Subnet  # noqa: E402
from tinyformer.training.muon import Muon  # noqa: E402

STEPS = 3


def train() -> Subnet:
    """Convolution, BatchNorm, attention, GELU and softmax, forward and backward, and Muon's products of matrices."""
    stages = (
        StageSpec(24, 2, (ResidualBlock(3, 1.0),)),
        StageSpec(40, 2, (ResidualBlock(3, 0.5), TransformerBlock(1, 2, 16, 2.0, 1))),
    )
    net = Subnet(SubnetSpec(16, 3, 10, "relu", 16, 3, 1, stages, 0)).to(memory_format=torch.channels_last)
    initialize(net, torch.Generator().manual_seed(0))
    matrices = [weights for weights in net.parameters() if weights.ndim > 1]
    vectors = [weights for weights in net.parameters() if weights.ndim == 1]
    optimizer = Muon([{"params": matrices}, {"params": vectors, "orthogonal": False}], lr=0.05)
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((32, 3, 16, 16), np.float32))
    labels = torch.arange(32) % 10
    for _ in range(STEPS):
        loss = F.cross_entropy(net(images.to(memory_format=torch.channels_last)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


def digest(net: Subnet) -> str:
    """Of the weights, of a product by NumPy, and of one in double precision, as a least-squares fit has it."""
    weights = np.concatenate([tensor.detach().double().numpy().ravel() for tensor in net.state_dict().values()])
    square = np.random.default_rng(1).standard_normal((96, 96))
    solved = np.linalg.solve(square @ square.T + np.eye(96), square).astype(np.float32)
    product = square.astype(np.float32) @ square.astype(np.float32)
    return hashlib.sha256(weights.tobytes() + solved.tobytes() + product.tobytes()).hexdigest()


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(digest(train()))
