"""What supernet training and sparse fine-tuning share: resumable checkpoints, schedules, the Lightning trainer."""
