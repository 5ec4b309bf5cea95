"""Alpha-mining: panels of prices, what a factor is worth on them, and whether it cheated or was lucky.

Exceptions, all children of `evaluators.contract.ContractError` or `evaluators.contract.Invalid`:
    PanelError    a panel, a file or a frame is not what the format asks for
    Invalid       a factor's values cannot be scored (the reason is shown to people and models)

admission     whether a factor may enter a pool
combination   the exam of combination models
combine       pools of factors
elite         the exam that only elites sit, too costly for every program
exam          the exam of alpha programs
exhibits      what a report draws of an elite
factors       one factor, measured: first whether it can be scored at all, then every figure of its worth
grammar       random factors
kin           which family of classic factors a new one is nearest to
leaks         does a factor look ahead? It is run again on data whose future was taken away
markets       panels of prices: read, made up, split in time, labelled
metrics       what a factor predicts
operators     causal building blocks for factor programs: nothing here looks ahead, whatever is put in
overview      what a panel holds, in a dozen figures: for people who wonder whether to trust it
portfolio     what a factor earns: the TopkDropout backtest with costs, annual figures, drawdown, capacity
problem_text  the text of an alpha problem on a panel of its own, or with its sealed test open
rank_ic       daily cross-sectional correlations
significance  was it luck? Corrections for the number of trials, for choosing the best
twins         what a factor is worth without its luck, and without what it may remember
zoo           thirty classic factors, the yardstick and the first generation: what a new alpha must add to
"""
