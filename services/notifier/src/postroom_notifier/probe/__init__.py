"""The probe: a mail of our own through each real account, again and again, and how long it takes to be seen."""
