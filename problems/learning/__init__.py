"""Learning pipelines: update rules and models, judged on data that is drawn anew and labels that only the judge has."""
