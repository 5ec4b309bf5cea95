"""Online bin packing by best fit: the fullest bin that can take the item."""

PROGRAM = """
def priority(item, bins):
    return -bins
"""
