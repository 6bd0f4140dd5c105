"""The evidence for people: HTML report, terminal summary, comparison of experiments."""
