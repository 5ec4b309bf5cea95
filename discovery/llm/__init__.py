"""Models: the client, its settings and prices, token counts."""
