"""Alpha mining: factors that predict which stocks will do better, judged out of sample and after costs."""
