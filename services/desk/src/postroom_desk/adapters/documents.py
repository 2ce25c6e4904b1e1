"""The fold's documents of the read model: written so that what the desk itself keeps beside them stays."""

from collections.abc import Callable

from postroom_runtime.documents import Document, MongoDocumentStore, to_mongo
from postroom_runtime.mongo import Collection, UpdateOne

from postroom_desk.adapters.due_dates import due_to_mongo
from postroom_desk.domain.due import Reckoned
from postroom_desk.domain.view import ConversationView


class ConversationDocuments(MongoDocumentStore[ConversationView]):
    """Sets the fold's fields, and leaves `marks` alone; a document of another version is a conflict, as ever.

    `reckon` says when the reply is due, which is written with the document. Without it that stays, and is found to be old.
    """

    def __init__(
        self,
        collection: Collection,
        model: type[ConversationView],
        reckon: Callable[[ConversationView], Reckoned] | None = None,
    ) -> None:
        super().__init__(collection, model)
        self._reckon = reckon

    def write(self, document: Document[ConversationView]) -> UpdateOne:  # type: ignore[override]  # a bulk write takes either
        fields = to_mongo(document, document.version + 1)
        del fields["_id"]
        if self._reckon is not None and document.state is not None:
            fields["due"] = due_to_mongo(self._reckon(document.state), document.version + 1)
        return UpdateOne({"_id": document.id, "version": document.version}, {"$set": fields}, upsert=True)
