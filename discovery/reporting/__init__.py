"""The facts of a run, and the page that draws them: live, or with its data inside as the report.

drawings    drawings as plain data: what a problem, or a family of problems, has shown on a run's page
facts       the facts of a run that its page shows, folded from the journal's entries. Pure
part_lines  the metrics of a program group by group and case by case, as rows for people
parts       a program's metrics by group and by case, as tables for the page and the report
report      the report: a run's page with its data inside, one HTML file that loads nothing from anywhere
run_view    a run's folder read for the page, while it works or after: its facts are kept, only what is new is read
view        a run as the page takes it: the facts as plain JSON, programs by column. Pure
"""
