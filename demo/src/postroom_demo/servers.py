"""Kafka, MongoDB and the mail server, started side by side and stopped in order."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from postroom_local.kafka import KafkaServer
from postroom_local.mail import GreenMailServer, MailUser
from postroom_local.mongo import MongoServer

from postroom_demo.place import Place
from postroom_demo.progress import Progress


@dataclass(slots=True)
class Servers:
    """The three servers; data of Kafka and MongoDB lies in the demo's directory, mail in memory."""

    kafka: KafkaServer
    mongo: MongoServer
    mail: GreenMailServer

    @classmethod
    def of(cls, place: Place, users: Sequence[MailUser], progress: Progress) -> "Servers":
        return cls(
            kafka=KafkaServer(place.directory("kafka"), progress=progress.line),
            mongo=MongoServer(place.directory("mongo")),
            mail=GreenMailServer(place.directory("mail"), users, progress=progress.line),
        )

    def start(self, progress: Progress) -> None:
        """Start all three at once. Raises postroom_local's LocalServerError, after stopping those that came up."""
        with progress.doing("starting Kafka, MongoDB and the mail server", "Kafka, MongoDB and the mail server are up"):
            with ThreadPoolExecutor(3) as threads:
                starting = [threads.submit(one.start) for one in (self.kafka, self.mongo, self.mail)]
            failed = next((error for one in starting if (error := one.exception()) is not None), None)
        if failed is not None:
            self.stop()
            raise failed

    def stop(self) -> None:
        """Stop mail, then MongoDB, then Kafka."""
        self.mail.stop()
        self.mongo.stop()
        self.kafka.stop()
