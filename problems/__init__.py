"""What to solve: one module per problem, in three families."""
