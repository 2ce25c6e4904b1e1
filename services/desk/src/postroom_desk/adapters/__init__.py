"""MongoDB, Kafka and HTTP behind the ports."""
