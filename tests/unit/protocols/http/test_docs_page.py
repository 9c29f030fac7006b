import re
from base64 import b64decode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

from protocols.http.docs_page import CONTENT_SECURITY_POLICY, render_door, render_index
from protocols.http.openapi import (
    FORM,
    JSON,
    MULTIPART,
    Answer,
    DoorDescription,
    Endpoint,
    Header,
    Media,
    Parameter,
    Webhook,
    any_of,
    closed_object,
    integer,
    open_object,
    ref,
    string,
)

EVIL = '<script>alert("x")</script> & `co<de>`'
FORM_FIELDS = open_object({"To": string()}, required=("To",))
DOOR = DoorDescription(
    tag="x",
    title="X & Co",
    description="Takes `apikey`.",
    security={"type": "apiKey", "in": "header", "name": "apikey"},
    schemas={
        "Sent": closed_object({"id": string("Its id.")}),
        "Listed": closed_object({"ids": string()}),
    },
    endpoints=[
        Endpoint(
            method="post",
            path="/x/send",
            operation_id="xSend",
            summary=EVIL,
            description=EVIL,
            parameters=[Parameter(EVIL, "header", string(max_length=9), EVIL)],
            body={
                JSON: Media(open_object({EVIL: string(EVIL)}), {"one": {"To": EVIL}}),
                FORM: Media(FORM_FIELDS, {"one": {"To": "a"}, "two": {"To": "b"}}),
                MULTIPART: Media(FORM_FIELDS, {"one": {"To": "a"}}),
            },
            answers={
                429: Answer(description="Slow.", headers={"Retry-After": Header(integer(), EVIL)}),
                200: Answer(
                    description=EVIL,
                    content={
                        JSON: Media(any_of(ref("Sent"), ref("Listed")), {"one": {"id": EVIL}})
                    },
                ),
            },
        ),
        Endpoint(
            method="get",
            path="/x/{id}",
            operation_id="xGet",
            summary="Get",
            answers={200: Answer(description="Done.")},
        ),
    ],
    webhooks=[
        Webhook(
            name="xReport",
            summary="Report",
            description="Once.",
            body={FORM: Media(FORM_FIELDS, {"one": {"To": "a"}})},
        )
    ],
)
OTHER = replace(DOOR, tag="y", title="Y", endpoints=(), webhooks=())
VOID = {"meta"}


class Page(HTMLParser):
    """A page taken apart; every element must be closed where it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []  # innermost element, text
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def of(self, tag: str) -> list[str]:
        return [text for element, text in self.texts if element == tag]

    def attributes(self, name: str) -> set[str]:
        return {value for _, found in self.elements if (value := found.get(name)) is not None}


def page() -> Page:
    return Page(render_door(DOOR, [DOOR, OTHER]))


def test_every_endpoint_and_webhook_has_its_section_and_its_line() -> None:
    names = {"xSend", "xGet", "xReport"}
    assert names <= page().attributes("id")
    links = page().attributes("href")
    assert {f"/docs/x#{name}" for name in names} <= links
    assert {"/docs", "/docs/x", "/docs/y"} <= links


def test_the_index_leads_to_every_vendor_and_endpoint() -> None:
    index = Page(render_index([DOOR, OTHER]))
    assert {"x", "y"} <= index.attributes("id")
    assert {
        "/docs/x", "/docs/y", "/docs/x#xSend", "/docs/x#xGet", "/docs/x#xReport", "/openapi.json",
    } <= index.attributes("href")  # fmt: skip


def test_text_is_shown_as_text() -> None:
    shown = page()
    assert "script" not in {tag for tag, _ in shown.elements}
    assert shown.of("h2")[:2] == ['<script>alert("x")</script> & ', "Get"]
    assert "co<de>" in shown.of("code")
    assert EVIL in shown.of("code")  # the parameter's name
    assert any(EVIL.replace('"', '\\"') in text for text in shown.of("pre"))
    assert any("co<de>" in text and "curl" in text for text in shown.of("pre"))


def test_it_loads_and_runs_nothing() -> None:
    shown = page()
    tags = {tag for tag, _ in shown.elements}
    assert not tags & {"script", "link", "img", "iframe", "form", "object", "base"}
    assert not any(
        name.startswith("on") or name == "style" for _, a in shown.elements for name in a
    )
    assert not any("//" in href for href in shown.attributes("href"))
    [style] = shown.of("style")
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_the_style_sheet_and_nothing_else() -> None:
    [style] = page().of("style")
    [digest] = re.findall("'sha256-([^']+)'", CONTENT_SECURITY_POLICY)
    assert b64decode(digest) == sha256(style.encode()).digest()
    directives = dict(part.strip().split(" ", 1) for part in CONTENT_SECURITY_POLICY.split(";"))
    assert directives.pop("style-src") == f"'sha256-{digest}'"
    assert set(directives) == {"default-src", "base-uri", "form-action", "frame-ancestors"}
    assert set(directives.values()) == {"'none'"}


def test_answers_are_in_order_and_the_good_ones_open() -> None:
    shown = page()
    answers = [attributes for tag, attributes in shown.elements if tag == "details"]
    statuses = [int(text) for text in shown.of("strong")]
    assert statuses == [200, 429, 200]
    # Before them stand the commands: the first of four is open.
    assert [set(attributes) for attributes in answers] == [
        {"open"}, set(), set(), set(), {"open"}, set(), {"open"},
    ]  # fmt: skip


def test_encodings_with_the_same_fields_share_a_table() -> None:
    text = render_door(DOOR, [DOOR])
    assert f"<p><code>{FORM}</code>, <code>{MULTIPART}</code></p>" in text


def test_the_forms_of_a_body_are_counted() -> None:
    assert page().of("em") == ["Form 1 of 2.", "Form 2 of 2."]


def test_there_is_a_command_for_every_example_and_endpoint() -> None:
    commands = [text for text in page().of("pre") if text.startswith("curl ")]
    assert len(commands) == 5
    assert commands[-1] == 'curl "$BASE/x/{id}" \\\n  -H "apikey: $API_KEY"'


def test_it_says_which_variables_the_commands_need() -> None:
    assert {"$BASE", "$API_KEY"} <= set(page().of("code"))


def test_fields_are_required_of_requests_and_always_there_in_answers() -> None:
    titles = page().of("th")
    assert titles.count("Required") == 1 + 3  # parameters; two tables of the body, one webhook
    assert titles.count("Always there") == 2  # the two forms of the answer
