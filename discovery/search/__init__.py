"""The pure heart: state, scheduler, proposal filter, coordinator, and how they are put together.

assembly         puts the coordinator of a run together from its settings
components       the parts of a run that learn
context          what an operator is told of the search
coordinator      the coordinator: a pure state machine that decides what a run does next
decisions        a decision and its life
entries          the forms in which the journal keeps what came of a decision
model_health     which models may be asked
outcomes         what came of decisions
parents          rules by which parents are drawn. The archipelago's own is the default
plan_tracker     plans under way
proposal_filter  what becomes of a child before an evaluation is spent on it
scheduler        what is tried next: which operator, which model and prompt variant, which parents
state            what a run knows
steering         what a person asked of a run: a pure fold of requests, the same live and in a replay
stop_rules       the stop rules of a run, which it names as `stoppers`
trials           programs that operators at work have judged
"""
