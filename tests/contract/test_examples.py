import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft202012Validator
from postroom_contracts import generate
from postroom_contracts.events import as_dict, decode, encode_body, encode_headers
from postroom_contracts.examples import SAMPLES
from postroom_contracts.registry import MODELS, REGISTRATIONS
from postroom_contracts.schemas import SCHEMA_BASE, nodes

from tests.validation import FORMATS, InvalidRecordError, StructuredRecord, validate_record, validator

HOME = Path(__file__).resolve().parents[2] / "contracts"
EXAMPLES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted((HOME / "examples").glob("*.json"))
}


@dataclass
class FakeRecord:
    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def record_of(example: dict[str, Any], prefix: str = "postroom-") -> FakeRecord:
    headers: list[tuple[str, bytes | None]] = [(k, v.encode()) for k, v in example["headers"].items()]
    return FakeRecord(
        prefix + example["topic"], example["key"].encode(), json.dumps(example["value"]).encode(), headers
    )


@pytest.fixture(params=EXAMPLES, ids=str)
def example(request: pytest.FixtureRequest) -> dict[str, Any]:
    return EXAMPLES[request.param]


def test_each_type_has_its_committed_example() -> None:
    assert sorted(EXAMPLES) == sorted(name.removeprefix("org.postroom.") for name in MODELS)


def test_committed_example_is_a_valid_record(example: dict[str, Any]) -> None:
    validate_record(record_of(example))


def test_example_is_read_and_written_again_unchanged(example: dict[str, Any]) -> None:
    record = record_of(example)
    event = decode(dict(record.headers), record.value, MODELS)
    assert {k: v.decode() for k, v in encode_headers(event)} == example["headers"]
    assert json.loads(encode_body(event.data)) == example["value"]


def test_a_recorded_line_is_the_record_that_it_was(example: dict[str, Any]) -> None:
    event = decode(
        {k: v.encode() for k, v in example["headers"].items()}, json.dumps(example["value"]).encode(), MODELS
    )
    record = StructuredRecord.of(json.dumps(as_dict(event)), example["topic"])
    validate_record(record)
    assert sorted(record.headers) == sorted(record_of(example).headers)
    assert json.loads(record.value or b"") == example["value"]


def test_handwritten_values_survive_the_model() -> None:
    for registration in REGISTRATIONS:
        written = SAMPLES[registration.model.__name__].value
        read = json.loads(encode_body(registration.model.model_validate_json(json.dumps(written))))
        assert {k: read[k] for k in written if not isinstance(written[k], (dict, list))} == {
            k: v for k, v in written.items() if not isinstance(v, (dict, list))
        }, registration.model.__name__


def test_the_cloudevents_sdk_reads_our_record(example: dict[str, Any]) -> None:
    record = record_of(example)
    headers = {k: v for k, v in record.headers if v is not None}
    event = from_kafka(KafkaMessage(headers=headers, key=record.key, value=record.value or b""), JSONFormat())
    assert event.get_id() == example["headers"]["ce_id"]
    assert event.get_type() == example["headers"]["ce_type"]
    assert event.get_source() == example["headers"]["ce_source"]
    assert event.get_subject() == example["headers"]["ce_subject"]
    assert event.get_specversion() == "1.0"
    assert event.get_data() == example["value"]
    time = event.get_time()
    assert time is not None
    assert time.isoformat(timespec="milliseconds").replace("+00:00", "Z") == example["headers"]["ce_time"]
    assert event.get_extension("sequence") == example["headers"].get("ce_sequence")


def test_golden_id_of_the_first_fact_never_changes() -> None:
    """UUID 5 of (cause, type, empty discriminator) in our name space, worked out with the standard library's uuid5."""
    headers = EXAMPLES["message-received.v1"]["headers"]
    assert headers["ce_causationid"] == "c2a94e60-17fb-5b3c-a6d0-52e81f03b7d4"
    assert headers["ce_id"] == "289c4946-bc68-52c9-aa01-b89f0ce9d917"


def test_a_newer_optional_field_is_ignored_at_every_depth() -> None:
    record = record_of(EXAMPLES["configuration-applied.v1"])
    value = json.loads(record.value or b"")
    value["configuration"]["agents"][0]["pronouns"] = "she"
    value["configuration"]["company"]["tax_number"] = "1"
    event = decode(dict(record.headers), json.dumps(value).encode(), MODELS)
    assert event.data == decode(dict(record.headers), record.value, MODELS).data
    record.value = json.dumps(value).encode()
    validate_record(record)


def _without(name: str) -> Any:
    return lambda r: r.headers.remove(next(h for h in r.headers if h[0] == name))


def _header(name: str, value: bytes | None) -> Any:
    def change(r: FakeRecord) -> None:
        r.headers = [(n, value if n == name else v) for n, v in r.headers]

    return change


def _body(**fields: object) -> Any:
    def change(r: FakeRecord) -> None:
        r.value = json.dumps(json.loads(r.value or b"") | fields).encode()

    return change


BAD_RECORDS = {
    "no id": (_without("ce_id"), "'ce_id' is a required property"),
    "time without zone": (_header("ce_time", b"2026-03-06T14:02:12.520"), "ce_time"),
    "header not text": (_header("ce_subject", b"\xff"), "not UTF-8"),
    "unknown type": (_header("ce_type", b"org.postroom.unheard-of.v1"), "is not registered"),
    "wrong source": (_header("ce_source", b"/postroom/desk"), "/postroom/desk does not make MessageReceived"),
    "fact without sequence": (_without("ce_sequence"), "facts carry ce_sequence"),
    "other key": (lambda r: setattr(r, "key", b"x"), "the key is not ce_partitionkey"),
    "no key": (lambda r: setattr(r, "key", None), "the key is not ce_partitionkey"),
    "wrong topic": (lambda r: setattr(r, "topic", "t-conversation-commands"), "does not belong on this topic"),
    "foreign topic": (lambda r: setattr(r, "topic", "weather"), "no topic of ours"),
    "null body": (lambda r: setattr(r, "value", None), "the body is null"),
    "body not JSON": (lambda r: setattr(r, "value", b"{"), "the body is not JSON"),
    "wrong status": (_body(status="closed"), "'closed' is not one of"),
    "time not RFC 3339": (_body(received_at="yesterday"), "'yesterday' is not a 'date-time'"),
    "header twice": (lambda r: r.headers.append(("ce_id", b"2")), "a header stands twice"),
    "dead letter without origin": (lambda r: setattr(r, "topic", "t-router-decide-dlq"), "origin-topic is missing"),
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_a_bad_record_is_refused_with_its_reason(case: str) -> None:
    change, reason = BAD_RECORDS[case]
    record = record_of(EXAMPLES["message-received.v1"])
    change(record)
    with pytest.raises(InvalidRecordError) as refused:
        validate_record(record)
    assert reason in str(refused.value)


def test_a_replayed_record_is_valid_on_its_groups_replay_topic() -> None:
    record = record_of(EXAMPLES["message-received.v1"])
    record.topic = "t1-analytics-replay"
    record.headers.append(("origin-offset", b"17"))
    validate_record(record)
    record.topic = "t1-router-decide-replay"
    with pytest.raises(InvalidRecordError, match="does not belong"):
        validate_record(record)


class TestCommittedFiles:
    def test_they_are_what_the_registry_gives(self) -> None:
        assert generate.differences(generate.committed(HOME), generate.generated()) == []

    def test_schemas_have_stable_ids_and_are_draft_2020_12(self) -> None:
        for path in sorted((HOME / "schemas").glob("*.json")):
            schema = json.loads(path.read_text())
            assert schema["$id"] == f"{SCHEMA_BASE}{path.name}"
            Draft202012Validator.check_schema(schema)

    def test_no_object_is_closed_so_that_optional_fields_may_come(self) -> None:
        for path in sorted((HOME / "schemas").glob("*.json")):
            assert all(n.get("additionalProperties") is not False for n in nodes(json.loads(path.read_text())))

    def test_generate_refuses_a_breaking_change_and_check_names_it(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert generate.main(["--to", str(tmp_path)]) == 0
        assert generate.main(["--to", str(tmp_path), "--check"]) == 0
        path = tmp_path / "schemas" / "message-sent.v1.json"
        schema = json.loads(path.read_text())
        schema["properties"]["provider"] = {"type": "string"}
        path.write_text(json.dumps(schema))
        before = path.read_text()
        for arguments in (["--check"], []):
            assert generate.main(["--to", str(tmp_path), *arguments]) == 1
            assert "message-sent.v1.provider: the field was removed" in capsys.readouterr().err
        assert path.read_text() == before
        (tmp_path / "examples" / "message-sent.v1.json").unlink()
        assert generate.main(["--to", str(tmp_path), "--check"]) == 1
        assert "examples/message-sent.v1.json: is missing" in capsys.readouterr().err


class TestAsyncApi:
    document = json.loads((HOME / "asyncapi.json").read_text())

    def test_every_message_and_channel_is_there(self) -> None:
        assert len(self.document["components"]["messages"]) == len(REGISTRATIONS)
        addresses = {c["address"] for c in self.document["channels"].values()}
        assert {"postroom-conversation-events", "postroom-router-decide-dlq", "postroom-analytics-replay"} <= addresses

    @pytest.mark.parametrize("part", ["payload", "headers"])
    def test_examples_fit_the_documents_own_schemas(self, part: str) -> None:
        for name, message in self.document["components"]["messages"].items():
            schema = {**message[part], "components": self.document["components"]}
            checker = Draft202012Validator(schema, format_checker=FORMATS)
            errors = [e.message for e in checker.iter_errors(message["examples"][0][part])]
            assert errors == [], name
            assert list(checker.iter_errors({})) != [], f"{name}: the schema of its {part} refuses nothing"

    def test_operations_lead_to_messages_of_their_channel(self) -> None:
        for operation in self.document["operations"].values():
            assert operation["messages"]
            for message in operation["messages"]:
                _, _, channel, _, name = message["$ref"].split("/")
                assert f"#/channels/{channel}" == operation["channel"]["$ref"]
                assert name in self.document["channels"][channel]["messages"]


def test_validator_knows_formats() -> None:
    assert not validator("cloudevents-headers").is_valid({})
