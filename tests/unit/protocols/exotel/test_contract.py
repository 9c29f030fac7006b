from typing import Any

import pytest

from gateway.domain.vendor_tlv import PE_ID, decode_texts
from protocols.exotel import faults, statuses
from protocols.exotel.contract import (
    MAX_CUSTOM_LENGTH,
    MAX_DLT_LENGTH,
    Options,
    SendRequest,
    StatusCallback,
    parse_bulk_send,
    parse_send,
)
from protocols.exotel.faults import Fault, Rejected
from protocols.http.bodies import UploadedFile

SEND = {"From": "ACME", "To": "+371", "Body": "Hi"}


def check_url(url: str) -> None:
    if not url.startswith("https://"):
        raise ValueError("no")


def send(**fields: Any) -> SendRequest:
    return parse_send({**SEND, **fields}, check_url)


def bulk(*messages: object, sender: str = "FIRST", **fields: Any) -> SendRequest:
    return parse_bulk_send({"Messages": list(messages), **fields}, check_url, sender)


def fault_of(**fields: Any) -> Fault:
    with pytest.raises(Rejected) as caught:
        send(**fields)
    return caught.value.fault


# --- one message, many numbers ------------------------------------------------------------------


def test_the_three_required_fields_are_enough() -> None:
    request = send()
    (entry,) = request.entries
    assert (entry.recipient, entry.text, entry.sender) == ("+371", "Hi", "ACME")
    assert (entry.sms_type, entry.tlvs, entry.flaw) == ("", b"", 0)
    assert request.options == Options(is_unicode=False, priority=1, door_text="")
    assert not request.is_list


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"From": None}, faults.FROM_EMPTY),
        ({"From": " "}, faults.FROM_EMPTY),
        ({"From": ["A"]}, faults.ARRAY_GIVEN),
        ({"From": True}, faults.BODY_INVALID),
        ({"To": None}, faults.BODY_INVALID),
        ({"To": " "}, faults.BODY_INVALID),
        ({"To": []}, faults.BODY_INVALID),
        ({"To": [["+371"]]}, faults.ARRAY_GIVEN),
        ({"To": 3.5}, faults.BODY_INVALID),
        ({"To": 1 << 70}, faults.BODY_INVALID),
        ({"To": ["+371"] * 101}, faults.TOO_MANY_NUMBERS),
        ({"To": ",".join(["+371"] * 101)}, faults.TOO_MANY_NUMBERS),
        ({"Body": None}, faults.BODY_EMPTY),
        ({"Body": "\n "}, faults.BODY_EMPTY),
        ({"Body": "x" * 2001}, faults.BODY_INVALID),
        ({"Body": "a\0"}, faults.BODY_INVALID),
        ({"Body": "\ud800"}, faults.BODY_INVALID),
        ({"Body": 7}, faults.BODY_INVALID),
        ({"Body": {"a": "b"}}, faults.ARRAY_GIVEN),
        ({"Body": UploadedFile("a.txt", b"Hi")}, faults.BODY_INVALID),
        ({"EncodingType": "Unicode"}, faults.ENCODING_UNKNOWN),
        ({"Priority": "HIGH"}, faults.BODY_INVALID),
        ({"SmsType": "otp"}, faults.SMS_TYPE_UNKNOWN),
        ({"StatusCallback": "http://example.com"}, faults.BODY_INVALID),
        ({"StatusCallback": ["https://example.com"]}, faults.ARRAY_GIVEN),
        ({"StatusCallbackContentType": "text/xml"}, faults.BODY_INVALID),
        ({"CustomField": "x" * (MAX_CUSTOM_LENGTH + 1)}, faults.BODY_INVALID),
        ({"DltEntityId": "1" * (MAX_DLT_LENGTH + 1)}, faults.BODY_INVALID),
        ({"DltTemplateId": "ü"}, faults.BODY_INVALID),
        ({"BindingChainDetails": "1\t2"}, faults.BODY_INVALID),
        ({"ShortenUrl": "true"}, faults.BODY_INVALID),
        ({"ShortenUrl": True}, faults.BODY_INVALID),
        ({"ShortenUrl": "yes"}, faults.BODY_INVALID),
        ({"ShortenUrlParams": "x"}, faults.BODY_INVALID),
        ({"ShortenUrlParams": {"Tracking": "on"}}, faults.BODY_INVALID),
        ({"ShortenUrlParams": {"Header": []}}, faults.ARRAY_GIVEN),
        ({"ShortenUrlParams": {"ClickTrackingCallbackUrl": "x"}}, faults.BODY_INVALID),
        ({"ShortenUrlParams": {"TimeToExpiry": "1439"}}, faults.BODY_INVALID),
        ({"ShortenUrlParams": {"TimeToExpiry": "525601"}}, faults.BODY_INVALID),
        ({"ShortenUrlParams": {"TimeToExpiry": "9" * 5000}}, faults.BODY_INVALID),
        ({"ShortenUrlParams": {"TimeToExpiry": "month"}}, faults.BODY_INVALID),
    ],
)
def test_what_breaks_a_rule(fields: dict[str, Any], fault: Fault) -> None:
    assert fault_of(**fields) == fault


def test_a_missing_and_an_empty_sender_are_told_apart() -> None:
    with pytest.raises(Rejected) as caught:
        parse_send({"To": "+371", "Body": "Hi"}, check_url)
    assert caught.value.fault == faults.FROM_MISSING


def test_names_are_case_sensitive() -> None:
    with pytest.raises(Rejected):
        parse_send({"from": "ACME", "to": "+371", "body": "Hi"}, check_url)


@pytest.mark.parametrize("text", ["x" * 2000, "ü" * 2000, " Hi\n"])
def test_bodies_as_they_are(text: str) -> None:
    assert send(Body=text).entries[0].text == text


@pytest.mark.parametrize(
    ("written", "recipients", "is_list"),
    [
        ("+371 ", ["+371"], False),
        ("+371,+372", ["+371", "+372"], True),
        (" +371 , +372,", ["+371", "+372"], True),
        (["+371"], ["+371"], True),
        (["+371", "", "+371"], ["+371", "", "+371"], True),
        ({"3": "+371", "9": "+372"}, ["+371", "+372"], True),
        (371, ["371"], False),
        ([371, "+372"], ["371", "+372"], True),
    ],
)
def test_recipients(written: object, recipients: list[str], is_list: bool) -> None:
    request = send(To=written)
    assert ([entry.recipient for entry in request.entries], request.is_list) == (
        recipients,
        is_list,
    )


def test_a_numeric_sender_of_a_json_body() -> None:
    assert send(From=600123).entries[0].sender == "600123"


@pytest.mark.parametrize("empty", ["", None])
def test_empty_parameters_count_as_left_out(empty: str | None) -> None:
    names = (
        "EncodingType", "Priority", "StatusCallback", "StatusCallbackContentType", "CustomField",
        "SmsType", "DltEntityId", "DltTemplateId", "BindingChainDetails", "ShortenUrl",
        "ShortenUrlParams",
    )  # fmt: skip
    assert send(**dict.fromkeys(names, empty)) == send()


def test_short_link_parameters_are_read_and_have_no_effect() -> None:
    parameters = {
        "Header": "ACME",
        "CustomDomain": "exo.tl",
        "Tracking": "true",
        "ClickTrackingCallbackUrl": "https://example.com/",
        "TimeToExpiry": 1440,
        "Other": "x",
    }
    assert send(ShortenUrl="false", ShortenUrlParams=parameters, MediaUrl="x") == send()
    assert send(ShortenUrl=False, ShortenUrlParams=[]) == send()


@pytest.mark.parametrize(
    ("content_type", "is_json"),
    [
        ("", False),
        ("application/x-www-form-urlencoded", False),
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
    ],
)
def test_the_form_of_callbacks(content_type: str, is_json: bool) -> None:
    request = send(StatusCallback=" https://a/ ", StatusCallbackContentType=content_type)
    kept = StatusCallback.of_door_text(request.options.door_text)
    assert kept == StatusCallback("https://a/", is_json, None)


@pytest.mark.parametrize("custom", [None, "", "ü\n"])
def test_what_is_kept_of_a_callback_is_read_back(custom: str | None) -> None:
    callback = StatusCallback("https://a/", is_json=True, custom_field=custom)
    assert StatusCallback.of_door_text(callback.door_text()) == callback


# --- many messages ------------------------------------------------------------------------------


def test_a_message_inherits_what_stands_outside() -> None:
    first, second = bulk(
        {"To": "+371", "Body": "a", "From": None},
        {"To": "+372", "Body": "b", "From": "OWN", "DltEntityId": "2"},
        From="OUTER",
        DltEntityId="1",
    ).entries
    assert (first.sender, decode_texts(first.tlvs)) == ("OUTER", {PE_ID: "1"})
    assert (second.sender, decode_texts(second.tlvs)) == ("OWN", {PE_ID: "2"})


def test_without_a_sender_it_is_the_accounts_first() -> None:
    assert bulk({"To": "+371", "Body": "a"}).entries[0].sender == "FIRST"


@pytest.mark.parametrize("name", ["Messages", "Message", "sms"])
@pytest.mark.parametrize("listed", [True, False])
def test_names_of_the_list(name: str, listed: bool) -> None:
    item = {"To": "+371", "Body": "a"}
    request = parse_bulk_send({name: [item] if listed else {"5": item}}, check_url, "ACME")
    assert (len(request.entries), request.is_list) == (1, True)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, faults.MESSAGES_MISSING),
        ({"Messages": None}, faults.MESSAGES_MISSING),
        ({"Messages": []}, faults.MESSAGES_MISSING),
        ({"Messages": {}}, faults.MESSAGES_MISSING),
        ({"Messages": "x"}, faults.MESSAGES_NO_ARRAY),
        ({"Messages": {"To": "+371"}}, faults.MESSAGES_NO_ARRAY),
        ({"Messages": [{}] * 101}, faults.TOO_MANY_MESSAGES),
        ({"Messages": [{}], "From": []}, faults.ARRAY_GIVEN),
        ({"Messages": [{}], "EncodingType": "x"}, faults.ENCODING_UNKNOWN),
        ({"Messages": [{}], "DltEntityId": "ü"}, faults.BODY_INVALID),
        ({"Messages": [{}], "ShortenUrl": "true"}, faults.BODY_INVALID),
        ({"Messages": [{}], "StatusCallback": "x"}, faults.BODY_INVALID),
    ],
)
def test_what_is_wrong_for_all(fields: dict[str, Any], fault: Fault) -> None:
    with pytest.raises(Rejected) as caught:
        parse_bulk_send(fields, check_url, "FIRST")
    assert caught.value.fault == fault


@pytest.mark.parametrize(
    ("item", "flaw", "shown"),
    [
        ("x", statuses.INVALID_MESSAGE, ("", "", "")),
        ([], statuses.INVALID_MESSAGE, ("", "", "")),
        ({}, statuses.INVALID_NUMBER, ("", "", "FIRST")),
        ({"To": "", "Body": "a"}, statuses.INVALID_NUMBER, ("", "a", "FIRST")),
        ({"To": ["+371"], "Body": "a"}, statuses.INVALID_NUMBER, ("", "a", "FIRST")),
        ({"To": "+371"}, statuses.INVALID_MESSAGE, ("+371", "", "FIRST")),
        ({"To": "+371", "Body": "x" * 2001}, statuses.INVALID_MESSAGE, ("+371", "x" * 2000, "FIRST")),
        ({"To": "+371", "Body": []}, statuses.INVALID_MESSAGE, ("+371", "", "FIRST")),
        ({"To": "+371", "Body": "a", "SmsType": "x"}, statuses.INVALID_MESSAGE, ("+371", "a", "FIRST")),
        ({"To": "+371", "Body": "a", "From": {}}, statuses.INVALID_SENDER, ("+371", "a", "")),
    ],
)  # fmt: skip
def test_a_bad_entry_stops_no_other(item: object, flaw: int, shown: tuple[str, str, str]) -> None:
    good, bad = bulk({"To": "+371", "Body": "a"}, item).entries
    assert not good.flaw
    assert bad.flaw == flaw
    assert (bad.recipient, bad.text, bad.sender) == shown


def test_an_entry_without_any_sender() -> None:
    (entry,) = bulk({"To": "+371", "Body": "a"}, sender="").entries
    assert entry.flaw == statuses.INVALID_SENDER
