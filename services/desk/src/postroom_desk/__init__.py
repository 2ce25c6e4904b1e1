"""The agents' door: REST API, live updates, the page, the writing of the configuration. Decides nothing."""
