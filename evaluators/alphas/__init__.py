"""Alpha-mining: panels of prices, what a factor is worth on them, and whether it cheated or was lucky.

Data     panel.py (canonical arrays), ingest.py (files and frames), synthetic.py (a market with known truth)
Worth    labels.py, rank_ic.py, metrics.py, portfolio.py, combine.py, factors.py (all of it for one factor)
Honesty  leaks.py (look-ahead), splits.py (train, valid, sealed test), significance.py and admission.py (luck)
Exams    world.py (a panel prepared), exam.py and combination.py (how the problems of problems/alphas question a
         program), elite.py (what elites go through besides), exhibits.py (what reports draw of them), kin.py
Helpers  operators.py: causal building blocks that factor programs may import; zoo.py: 30 classic factors

Exceptions, all children of `evaluators.contract.ContractError` or `evaluators.contract.Invalid`:
    PanelError    a panel, a file or a frame is not what the format asks for
    Invalid       a factor's values cannot be scored (the reason is shown to people and models)
"""
