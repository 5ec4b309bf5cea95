"""The words that every room uses: operator and proposal types, records, events, budget, errors, clock."""
