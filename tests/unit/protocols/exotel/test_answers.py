import json
from xml.etree import ElementTree

import pytest

from protocols.exotel.answers import JSON_ANSWERS, XML_ANSWERS, Answers, SmsMessage, answers_for
from protocols.exotel.faults import Fault

FIELDS = [
    "Sid", "AccountSid", "From", "To", "DateCreated", "DateUpdated", "DateSent", "Body",
    "Direction", "Uri", "ApiVersion", "Price", "Status", "SmsUnits", "DetailedStatusCode",
    "DetailedStatus",
]  # fmt: skip
MESSAGE = SmsMessage(
    "0f477d60517e6e6a0f6d9a7e9af8630e", "acme1", "/ACME", "09876543210", 1_777_701_031_000,
    1_777_701_040_000, 1_777_701_033_000, "Hi", "sent", 20005, 1_180_000, 2,
)  # fmt: skip
UNSET = MESSAGE._replace(sent_at_ms=0, price_micros=None, units=None, status="queued", code=21010)
REFUSED = UNSET._replace(sid="", sender="", status="failed", code=23010)
HOSTILE = "a\0b\x0c\x1b\ud800\ufffe]]><!--&amp;\"'\r\n\t\U0001f600"


def shown(answers: Answers, *messages: SmsMessage) -> list[dict[str, object]]:
    """The messages of an answer, as a client reads it."""
    body = answers.many([answers.message(message) for message in messages])
    if answers is JSON_ANSWERS:
        return [item["SMSMessage"] for item in json.loads(body)]
    root = ElementTree.fromstring(body)  # noqa: S314 our own answer
    assert root.tag == "TwilioResponse"
    return [{field.tag: field.text for field in element} for element in root]


@pytest.mark.parametrize("answers", [JSON_ANSWERS, XML_ANSWERS])
@pytest.mark.parametrize("message", [MESSAGE, UNSET, REFUSED])
def test_all_sixteen_fields_in_their_order(answers: Answers, message: SmsMessage) -> None:
    assert [list(fields) for fields in shown(answers, message, message)] == [FIELDS, FIELDS]


def test_what_is_unset() -> None:
    (as_json,), (as_xml,) = shown(JSON_ANSWERS, UNSET), shown(XML_ANSWERS, UNSET)
    for name in ("ApiVersion", "Price", "SmsUnits"):
        assert (as_json[name], as_xml[name]) == (None, None)
    assert (as_json["DateSent"], as_xml["DateSent"]) == (None, "1970-01-01 05:30:00")


def test_the_end_of_a_message() -> None:
    (as_json,), (as_xml,) = shown(JSON_ANSWERS, MESSAGE), shown(XML_ANSWERS, MESSAGE)
    assert (as_json["Price"], as_json["SmsUnits"]) == ("1.180000", 2)
    assert (as_xml["Price"], as_xml["SmsUnits"]) == ("1.180000", "2")
    assert as_json["DetailedStatusCode"] == 20005
    assert str(as_json["Uri"]) == f"{as_xml['Uri']}.json"


def test_a_refused_element_has_no_sid() -> None:
    (as_json,), (as_xml,) = shown(JSON_ANSWERS, REFUSED), shown(XML_ANSWERS, REFUSED)
    assert (as_json["Sid"], as_xml["Sid"]) == (None, None)
    assert as_json["Status"] == as_xml["Status"] == "failed"


def test_json_gives_every_text_back() -> None:
    (fields,) = shown(JSON_ANSWERS, MESSAGE._replace(text=HOSTILE))
    assert fields["Body"] == HOSTILE


def test_xml_gives_back_what_xml_can_hold() -> None:
    (fields,) = shown(XML_ANSWERS, MESSAGE._replace(text=HOSTILE, recipient="<&>"))
    lost = str.maketrans(dict.fromkeys("\0\x0c\x1b\ud800\ufffe", "\ufffd"))
    assert (fields["Body"], fields["To"]) == (HOSTILE.translate(lost), "<&>")


def test_a_line_feed_is_escaped_in_xml() -> None:
    assert b"a&#xA;b" in XML_ANSWERS.message(MESSAGE._replace(text="a\nb"))


@pytest.mark.parametrize("answers", [JSON_ANSWERS, XML_ANSWERS])
def test_a_list_is_made_of_messages_and_one_stands_alone(answers: Answers) -> None:
    message = answers.message(MESSAGE)
    assert message in answers.one(message)
    assert answers.many([message, message]).count(message) == 2
    assert answers.many([message]) != answers.one(message) or answers is XML_ANSWERS


@pytest.mark.parametrize("with_code", [False, True])
def test_errors(with_code: bool) -> None:
    fault = Fault(400, "<x>", 40200)
    expected = {"Status": 400, "Message": "<x>"} | ({"Code": 40200} if with_code else {})
    as_json = json.loads(JSON_ANSWERS.fault(fault, with_code=with_code))
    assert as_json == {"RestException": expected}
    exception = ElementTree.fromstring(XML_ANSWERS.fault(fault, with_code=with_code))[0]  # noqa: S314 our own answer
    assert {e.tag: e.text for e in exception} == {k: str(v) for k, v in expected.items()}


def test_an_error_without_a_code_has_none() -> None:
    fault = Fault(404, "Not Found")
    assert b"Code" not in JSON_ANSWERS.fault(fault, with_code=True)
    assert b"Code" not in XML_ANSWERS.fault(fault, with_code=True)


@pytest.mark.parametrize(
    ("path", "answers"),
    [
        ("/v1/Accounts/a/Sms/send", XML_ANSWERS),
        ("/v1/Accounts/a/Sms/send.xml", XML_ANSWERS),
        ("/v1/Accounts/a/Sms/send.json", JSON_ANSWERS),
        ("/v1/Accounts/a.json/Sms", XML_ANSWERS),
    ],
)
def test_the_suffix_alone_decides(path: str, answers: Answers) -> None:
    assert answers_for(path) is answers


def test_a_credit_is_shown_with_its_sign() -> None:
    (fields,) = shown(JSON_ANSWERS, MESSAGE._replace(price_micros=-180_000))
    assert fields["Price"] == "-0.180000"
