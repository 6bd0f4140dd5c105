# SPDX-License-Identifier: Apache-2.0
"""Whether Weights & Biases can be reached, found out before a run starts and in bounded time."""

from __future__ import annotations

import urllib.error
import urllib.request
from contextlib import suppress


def server() -> str:
    """Address of the server: $WANDB_BASE_URL, the settings of ``wandb login --host``, or the public one."""
    import wandb  # noqa: PLC0415  (slow to import)

    return wandb.setup().settings.base_url


def obstacle(timeout_s: float) -> str | None:
    """Why an online run is impossible, as a phrase; None where nothing is in its way.

    Asks the server for anything at all, through the proxies of the environment, then looks for credentials (in this
    order, because wandb asks the server while it looks). Whether the credentials are good is seen when a run starts.
    """
    import wandb  # noqa: PLC0415

    try:
        with urllib.request.urlopen(server(), timeout=timeout_s):
            pass
    except urllib.error.HTTPError:
        pass  # an answer of any kind is a server
    except (OSError, ValueError) as error:
        return f"{server()} cannot be reached ({getattr(error, 'reason', error)})"
    if not wandb.login(prompt=False, verify=False):
        return f"there are no credentials for {server()} (set WANDB_API_KEY or run `wandb login`)"
    return None


def give_up() -> None:
    """End wandb's own process, which nonsense may have brought down; the next run starts another."""
    import wandb  # noqa: PLC0415

    with suppress(Exception):
        wandb.teardown()
