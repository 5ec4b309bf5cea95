"""The facts of a run, drawn once: the report.

charts    charts as SVG text. Colours are classes of the style sheet
facts     the facts of a run that its report shows, folded from the journal's entries. Pure
report    the report: one HTML file about a run that loads nothing from anywhere
sections  the sections of the report: facts of a run as HTML. Whatever is not ours goes through `clean`
"""
