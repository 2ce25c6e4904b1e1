"""The fold's documents of the read model: written so that what the desk itself keeps beside them stays."""

from postroom_runtime.documents import Document, MongoDocumentStore, to_mongo
from postroom_runtime.mongo import UpdateOne

from postroom_desk.domain.view import ConversationView


class ConversationDocuments(MongoDocumentStore[ConversationView]):
    """Sets the fold's fields, and leaves `marks` alone; a document of another version is a conflict, as ever."""

    def write(self, document: Document[ConversationView]) -> UpdateOne:  # type: ignore[override]  # a bulk write takes either
        fields = to_mongo(document, document.version + 1)
        del fields["_id"]
        return UpdateOne({"_id": document.id, "version": document.version}, {"$set": fields}, upsert=True)
