"""Alpha mining: personas, operators on pools of factors, admission after all trials, the sealed test, report pages."""
