"""The DVC stages: each reads ``params.yaml``, calls the packages and writes what ``artifacts`` names."""
