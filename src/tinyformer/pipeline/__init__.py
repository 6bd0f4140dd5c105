"""The DVC stages: each module reads ``params.yaml``, calls the packages and writes the artefacts named in ``artifacts``."""
