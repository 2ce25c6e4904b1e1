# ruff: noqa: E501 - header fields read better in long lines
"""Which Authentication-Results count: our own server's, topmost, above the first foreign Received, and nothing else."""

import pytest
from postroom_ingest.domain.mail import dmarc_result, parse_mail

TRUSTED = {"mx.acme.test"}
PASS = "Authentication-Results: mx.acme.test; dmarc=pass (p=reject) header.from=acme.test"
FAIL = "Authentication-Results: mx.acme.test; dmarc=fail (p=reject) header.from=acme.test"
OURS = "Received: from evil.test (evil.test [192.0.2.9]) by mx.acme.test (Postfix) with ESMTPS id 1; Mon, 2 Mar 2026 09:00:00 +0000"
INNER = "Received: from mx.acme.test by imap.acme.test with LMTP id 2; Mon, 2 Mar 2026 09:00:01 +0000"
STEP = "Received: by 2002:a05:7300:1 with SMTP id 3; Mon, 2 Mar 2026 09:00:02 +0000"
FOREIGN = "Received: from [192.0.2.7] by out.evil.test with ESMTPSA id 4; Mon, 2 Mar 2026 08:59:00 +0000"


def result(*fields: str, sender: str = "Ann <ann@acme.test>", trusted: set[str] = TRUSTED) -> str | None:
    head = "\r\n".join([*fields, f"From: {sender}", "Subject: s"])
    return dmarc_result(parse_mail(f"{head}\r\n\r\nx\r\n".encode()), trusted)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([PASS, OURS, FOREIGN], id="above our Received"),
        pytest.param([OURS, PASS, FOREIGN], id="below our Received, as Gmail and Postfix with a milter write it"),
        pytest.param([STEP, INNER, OURS, PASS, FOREIGN], id="below steps within the house"),
        pytest.param([PASS], id="no Received at all"),
        pytest.param([PASS.replace("Results: ", "Results:\r\n ").replace("; ", ";\r\n\t"), OURS], id="folded"),
        pytest.param([PASS.replace("mx.acme.test", "MX.Acme.Test"), OURS], id="capitals"),
        pytest.param([PASS.replace("mx.acme.test", "mx.acme.test 1"), OURS], id="with a version"),
        pytest.param([PASS.replace("mx.acme.test;", "mx.acme.test (our (own) server);"), OURS], id="with a comment"),
        pytest.param([PASS.replace("mx.acme.test", "other.test").replace("pass", "fail"), PASS, OURS], id="below one of a server that does not count"),
    ],
)  # fmt: skip
def test_own_servers_pass_counts(fields: list[str]) -> None:
    assert result(*fields) == "pass"


@pytest.mark.parametrize(
    ("authserv_id", "fields"),
    [
        pytest.param("mx.google.com", [STEP, OURS.replace("mx.acme.test", "mx.google.com"), "Authentication-Results: mx.google.com; dkim=pass header.i=@acme.test header.s=20230601 header.b=AbC/dEf+; arc=pass (i=1 spf=pass dmarc=pass fromdomain=acme.test); spf=pass (google.com: domain of ann@acme.test designates 192.0.2.41 as permitted sender) smtp.mailfrom=ann@acme.test; dmarc=pass (p=NONE sp=QUARANTINE dis=NONE) header.from=acme.test; dara=pass header.i=@acme.test", FOREIGN], id="Gmail"),
        pytest.param("mx3.messagingengine.com", ["Authentication-Results: mx3.messagingengine.com; bimi=none (No records); dkim=pass (2048-bit rsa key sha256) header.d=acme.test header.b=abc header.a=rsa-sha256 x-bits=2048; dmarc=pass policy.published-domain-policy=none policy.applied-disposition=none (p=none,d=none) policy.policy-from=p header.from=acme.test; iprev=pass smtp.remote-ip=192.0.2.4 (mail.acme.test)"], id="Fastmail"),
        pytest.param("atlas.mail.yahoo.com", ["Authentication-Results: atlas.mail.yahoo.com; dkim=pass header.i=@acme.test header.s=s; dmarc=pass(p=REJECT) header.from=acme.test;"], id="Yahoo"),
        pytest.param("mx.zohomail.com", ["Authentication-Results: mx.zohomail.com;\r\n\tdkim=pass;\r\n\tdmarc=pass(p=none dis=none)  header.from=<ann@acme.test>"], id="Zoho"),
        pytest.param("amazonses.com", ["Authentication-Results: amazonses.com; spf=pass (spfCheck: domain of acme.test) client-ip=192.0.2.4; envelope-from=ann@acme.test; helo=x; dmarc=pass header.from=acme.test;"], id="Amazon SES"),
        pytest.param("mx.acme.test", ['Authentication-Results: mx.acme.test; dkim=pass header.d=acme.test header.s=mail header.b="AbC/d E"; dmarc=pass (policy=none) header.from=acme.test; spf=pass (mx: domain of ann@acme.test designates 192.0.2.4) smtp.mailfrom=ann@acme.test'], id="Rspamd"),
        pytest.param("mx.acme.test", ["Authentication-Results: mx.acme.test; iprev=pass (x.test) smtp.remote-ip=192.0.2.4; spf=pass smtp.mailfrom=acme.test; dmarc=pass header.from=acme.test"], id="Exim"),
    ],
)  # fmt: skip
def test_fields_as_servers_write_them(authserv_id: str, fields: list[str]) -> None:
    assert result(*fields, trusted={authserv_id}) == "pass"
    assert result(*(field.replace("dmarc=pass", "dmarc=fail") for field in fields), trusted={authserv_id}) == "fail"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([FAIL, OURS, PASS, FOREIGN], "fail", id="forged below ours"),
        pytest.param([OURS, FOREIGN, PASS], None, id="forged below a foreign Received, ours says nothing"),
        pytest.param([FOREIGN, PASS], None, id="handed over by a foreign server"),
        pytest.param([OURS.replace("by mx.acme.test", "by mx.acme.test.evil.test"), PASS], None, id="host that only begins like ours"),
        pytest.param([OURS.replace("by mx.acme.test", "(by mx.acme.test) by evil.test"), PASS], None, id="our name in the comment of a foreign Received"),
        pytest.param([OURS.replace("by mx.acme.test", "by evilacme.test"), PASS], None, id="domain that only ends like ours"),
        pytest.param(["Authentication-Results: mx.acme.test; spf=pass smtp.mailfrom=acme.test", OURS, PASS], None, id="forged below ours that says nothing of DMARC"),
        pytest.param(["Authentication-Results: (mx.acme.test) evil.test; dmarc=pass header.from=acme.test"], None, id="our name in a comment before"),
        pytest.param(["Authentication-Results: evil.test (mx.acme.test); dmarc=pass header.from=acme.test"], None, id="our name in a comment behind"),
        pytest.param(["Authentication-Results: evil.test\r\n mx.acme.test; dmarc=pass header.from=acme.test"], None, id="our name in a fold"),
        pytest.param(["Authentication-Results: evil.test;\r\n mx.acme.test; dmarc=pass header.from=acme.test"], None, id="our name behind a semicolon"),
        pytest.param(["Authentication-Results: mx.acme.test.evil.test; dmarc=pass header.from=acme.test"], None, id="our name as a label"),
        pytest.param(["Authentication-Results: mx.acme.test x y; dmarc=pass header.from=acme.test"], None, id="more than id and version"),
        pytest.param(['Authentication-Results: mx.acme.test; dkim=fail reason="; dmarc=pass header.from=acme.test'], None, id="quote that never closes"),
        pytest.param(['Authentication-Results: mx.acme.test; dkim=fail reason="; dmarc=pass header.from=acme.test"'], None, id="pass in a quoted value of another result"),
        pytest.param(["Authentication-Results: mx.acme.test; dkim=fail (; dmarc=pass header.from=acme.test)"], None, id="pass in a comment of another result"),
        pytest.param(["Authentication-Results: mx.acme.test; x-dmarc=pass header.from=acme.test"], None, id="another method"),
        pytest.param(["Authentication-Results: mx.acme.test; dmarc-filter=pass header.from=acme.test"], None, id="another method that begins alike"),
        pytest.param(["Authentication-Results: mx.acme.test (unclosed; dmarc=pass header.from=acme.test"], None, id="comment that never closes"),
        pytest.param(["Authentication-Results: mx.acme.test; dmarc=fail (dmarc=pass header.from=acme.test)"], "fail", id="pass in a comment"),
        pytest.param(['Authentication-Results: mx.acme.test; dmarc=fail reason="x; dmarc=pass" header.from=acme.test'], "fail", id="pass in a quoted value"),
        pytest.param(["Authentication-Results: mx.acme.test; dmarc=pass header.from=acme.test; dmarc=fail header.from=acme.test"], "fail", id="two verdicts"),
        pytest.param(["ARC-Authentication-Results: i=1; mx.acme.test; dmarc=pass header.from=acme.test", "ARC-Seal: i=1; cv=none; d=acme.test"], None, id="ARC is not believed"),
        pytest.param(["X-Authentication-Results: mx.acme.test; dmarc=pass header.from=acme.test"], None, id="another field"),
        pytest.param(["Subject: Authentication-Results: mx.acme.test; dmarc=pass header.from=acme.test"], None, id="in another field"),
    ],
)  # fmt: skip
def test_nobody_else_proves_anything(fields: list[str], expected: str | None) -> None:
    assert result(*fields) == expected


@pytest.mark.parametrize(
    "sender",
    [
        "ann@acme.test, evil@evil.test",
        "evil@evil.test, ann@acme.test",
        "Ann\r\nReply-To: ann@acme.test",
        "ann@acme.test\r\nFrom: evil@evil.test",
        '"ann@acme.test" <evil@evil.test>',
    ],
    ids=["two senders", "the other first", "no address but a Reply-To", "two fields", "address as a name"],
)
def test_a_pass_counts_only_for_the_one_mailbox_of_the_one_from(sender: str) -> None:
    assert result(PASS, sender=sender) == "fail"


def test_nothing_is_trusted_unless_named() -> None:
    assert result(PASS, trusted=set()) is None
    assert result(PASS, trusted={"acme.test"}) is None


def test_a_domain_as_id_has_all_its_hosts() -> None:
    given = PASS.replace("mx.acme.test", "acme.test")
    assert result(OURS, given, FOREIGN, trusted={"acme.test"}) == "pass"
    assert result(FOREIGN, given, trusted={"acme.test"}) is None
