# SPDX-License-Identifier: Apache-2.0
"""Searches as parts: a space of genomes, an objective that orders candidates, and a strategy that proposes the next
ones. Who searches draws from the strategy, costs and evaluates, and tells it the results."""
