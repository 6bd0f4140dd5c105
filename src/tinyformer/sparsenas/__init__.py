"""SparseNAS: the joint search of architecture and per-layer block sparsity in a trained supernet."""
