"""A fleet from the controller: playbooks with an outcome for each host, and what each host is."""
