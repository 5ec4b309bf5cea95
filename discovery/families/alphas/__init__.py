"""Alpha mining: personas, operators on pools of factors, admission after all trials, the sealed test, report pages.

admission  is the best better than luck? What a run's own journal says after all its trials
exhibits   what a problem shows of its best program, and what the run says of luck: sections of the report
graft      `graft`: a pool of factors with one more, another or one less; asks no model
panels     `discovery panel import`, `info`, `synthesize` and `problem`: prices for the alpha problems
persona    the operator `persona`
personas   twenty-one people who look at a market, in seven levels, each with guidance in five styles
traces     the hidden metrics by which an alpha problem asks for a verdict on luck
unseal     `discovery unseal`: the one look at the sealed test of a run
unsealing  the sealed test of a run: opened once, after which every account of the run says that it was
verdict    the verdict of the alpha family, as the rest of the service reaches it
"""
