"""What to solve: one module per problem, in four families."""
