"""The pure heart: state, scheduler, proposal filter, coordinator, and how they are put together."""
