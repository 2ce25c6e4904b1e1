"""Writing to customers: what is written, to whom, with which files, as which draft."""
