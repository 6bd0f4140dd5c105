# SPDX-License-Identifier: Apache-2.0
"""SuperNAS: the space of supernets, its search, and the training of the supernet it finds."""
