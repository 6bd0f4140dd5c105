# SPDX-License-Identifier: Apache-2.0
"""SparseNAS: the joint search of architecture and per-layer block sparsity in a trained supernet."""
