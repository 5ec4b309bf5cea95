"""How a program is run and judged, and the contract that a problem keeps."""
