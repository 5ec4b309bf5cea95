"""What can be asked of finished runs: comparison on paired seeds, statistics, distillation, purging."""
