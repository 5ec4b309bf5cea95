"""Mathematical constructions: objects whose score is exact or certified, many with a published record."""
