"""What a run keeps on disk: journal, folder, requests."""
