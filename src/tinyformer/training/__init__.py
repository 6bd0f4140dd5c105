"""What all trainings share: resumable checkpoints, schedules, the Lightning trainer."""
