"""VM packing by best fit with a penalty on imbalance, the strongest of ten fixed rules tried on two seeds."""

PROGRAM = """
def priority(demand, free, size):
    left = (free - demand) / size
    return -left.sum(axis=1) - abs(left[:, 0] - left[:, 1])
"""
