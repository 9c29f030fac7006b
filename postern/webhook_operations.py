"""The operator's verbs on notifications over HTTP: what is owed, and sending again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from admin_api.operations import OperationRefusedError
from gateway.domain.commit_group import NoticeKind
from gateway.flow.fates import Fates
from gateway.ports import Clock
from gateway.store.webhook_deliveries import DeliveryReport, DeliveryState, WebhookDeliveries
from postern.facts import iso

IDS_AT_ONCE = 10_000  # rows looked at in one transaction

Facts = dict[str, object]

_WORDS = {
    DeliveryState.DUE: "owed",
    DeliveryState.DONE: "delivered",
    DeliveryState.ABANDONED: "abandoned",
}
_LISTED = {
    "owed": (DeliveryState.DUE,),
    "abandoned": (DeliveryState.ABANDONED,),
    "all": (DeliveryState.DUE, DeliveryState.ABANDONED),
}
_REOPENED = {
    "abandoned": (DeliveryState.ABANDONED,),
    "all": (DeliveryState.ABANDONED, DeliveryState.DONE),
}


class WebhookOperations:
    """Lists and replays deliveries; `account_id` None stands for every account."""

    def __init__(self, deliveries: WebhookDeliveries, fates: Fates, clock: Clock) -> None:
        self._deliveries = deliveries
        self._fates = fates
        self._clock = clock

    async def page(
        self, account_id: int | None, state: str, limit: int, names: Mapping[int, str]
    ) -> Facts:
        """Owed ones by the time they are due, then abandoned ones, newest first."""
        if state not in _LISTED:
            raise OperationRefusedError(f"state must be {', '.join(_LISTED)}, not {state!r}")
        rows: list[DeliveryReport] = []
        for each in _LISTED[state]:
            rows += await self._deliveries.report(each, account_id, limit)
        return {"deliveries": [_delivery_facts(row, names) for row in rows]}

    async def replay(
        self, account_id: int | None, since: str, delivery: int | None, states: str
    ) -> Facts:
        """Fresh attempts for deliveries that ended, or for one in whatever state it is."""
        if states not in _REOPENED:
            raise OperationRefusedError(f"states must be {' or '.join(_REOPENED)}, not {states!r}")
        since_ms = _time_ms(since) if since else 0
        if delivery is not None:
            reopened = await self._reopen(
                (delivery - 1, delivery), tuple(DeliveryState), account_id, since_ms
            )
            if not reopened:
                raise OperationRefusedError(
                    f"there is no delivery {delivery} that fits: it may have been purged with its "
                    "message; `postern webhook list` names the ones that are owed or abandoned"
                )
        else:
            reopened = 0
            last_id = await self._deliveries.last_id()
            for first in range(0, last_id, IDS_AT_ONCE):
                ids = first, min(first + IDS_AT_ONCE, last_id)
                reopened += await self._reopen(ids, _REOPENED[states], account_id, since_ms)
        self._fates.wake_webhooks(None, True)
        return {"replayed": reopened}

    async def _reopen(
        self,
        ids: tuple[int, int],
        states: tuple[DeliveryState, ...],
        account_id: int | None,
        since_ms: int,
    ) -> int:
        return await self._deliveries.reopen(
            ids, states, account_id, since_ms, self._clock.now_ms()
        )


def _delivery_facts(row: DeliveryReport, names: Mapping[int, str]) -> Facts:
    return {
        "id": row.id,
        "account": names.get(row.account_id, ""),
        "message_id": f"{row.message_key:016x}",
        "kind": NoticeKind(row.kind).name.lower(),
        "host": urlsplit(row.url).hostname or "",
        "state": _WORDS[row.state],
        "attempts": row.attempts,
        "due_at": iso(row.due_at_ms),
        "error": row.last_error,
    }


def _time_ms(text: str) -> int:
    """ISO 8601; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise OperationRefusedError(
            f"since {text!r}: must be a time such as 2026-01-31 or 2026-01-31T08:00:00Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
