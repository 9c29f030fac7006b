"""HTTP provider templates from TOML, spelled as an operator spells them."""

from collections.abc import Mapping
from typing import Any

from protocols.http.template import HttpTemplate, TemplateSpec
from protocols.http.template_answer import ErrorSpec, IdSpec, SuccessSpec
from protocols.http.template_receipt import ReceiptAnswer, ReceiptSpec


def template_spec(block: Mapping[str, Any]) -> TemplateSpec:
    """The spec of one `[provider]` table."""
    values = dict(block)
    if "success" in values:
        values["success"] = SuccessSpec(**values["success"])
    if "id" in values:
        values["id"] = IdSpec(**values["id"])
    values["errors"] = tuple(
        ErrorSpec(
            **{"error_class" if key == "class" else key: value for key, value in rule.items()}
        )
        for rule in values.get("errors", ())
    )
    if "receipt" in values:
        receipt = dict(values["receipt"])
        receipt["answer"] = ReceiptAnswer(**receipt.get("answer", {}))
        values["receipt"] = ReceiptSpec(**receipt)
    return TemplateSpec(**values)


def make_template(**block: Any) -> HttpTemplate:
    """A template with a URL unless given one."""
    return HttpTemplate(template_spec({"url": "https://carrier.example/send", **block}))
