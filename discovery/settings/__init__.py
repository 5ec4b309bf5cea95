"""Every setting of a run: name, type, range, default and help.

agents       what operators may use that work for a while: agents of the command line, and the one that ships
__main__     writes the table of all settings: python -m discovery.settings docs/settings.md
budget       what a run may spend
config       the settings of a run: one frozen dataclass that composes those of its parts
doors        every setting of a run as people give it
launch       how a run is begun: what it is called, where it lies, and what it begins with
learning     settings of what learns in a run
models       which models to ask, and how
named_model  one model: its name and what is its own
questions    settings of what questions to models tell, and of plans
schema       how a setting is declared: type, range, unit and help beside its default
toml         settings in a TOML file, each with the line where it stands
"""
