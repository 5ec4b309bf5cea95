"""What to solve: one module per problem, in five families."""
