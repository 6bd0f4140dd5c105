# SPDX-License-Identifier: Apache-2.0
"""What all trainings share: resumable checkpoints, schedules, the Lightning trainer."""
