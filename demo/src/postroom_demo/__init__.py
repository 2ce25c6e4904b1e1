"""A small company on this machine: real Kafka, MongoDB and mail, all six services, customers who write, people who answer."""
