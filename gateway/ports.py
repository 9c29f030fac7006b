"""The heart's ports: what it asks of the outside and what it offers to the doors.

Owned by the side that calls; adapters fit them without inheriting.  Everything here runs on the
event loop and, unless it is `async`, returns at once.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum, StrEnum, auto
from typing import Protocol

from gateway.domain.account import Account, Credential, Door
from gateway.domain.bulk import BulkOrder, BulkQuote, BulkRecipient, BulkView, RecipientState
from gateway.domain.bulk_rows import (
    NewBulk,
    NewBulkRecipient,
    StoredBulk,
    StoredRecipient,
    UnfedRecipient,
)
from gateway.domain.commit_group import CommitGroup, MessageEvent, ParkedReceipt, StoredMessage
from gateway.domain.errors import Refusal
from gateway.domain.identity import (
    CredentialKind,
    Origin,
    SenderState,
    SenderVerification,
    StoredAccount,
    StoredCredential,
    StoredSender,
)
from gateway.domain.lifecycle import MessageState
from gateway.domain.lookup import HlrRecord, LookupFailure, NumberRecord
from gateway.domain.message import Batch, IdempotencyKey, Message, StoredAnswer, Submission
from gateway.domain.outcome import Outcome
from gateway.domain.receipt import AwaitedReceipt, Receipt


class Timer(Protocol):
    """A pending call."""

    def cancel(self) -> None:
        """Forgets the call; harmless when it has happened."""


class Clock(Protocol):
    """Time and the loop's turn; the fake in tests moves by hand."""

    def now_ms(self) -> int:
        """UTC milliseconds since 1970."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""

    def call_soon(self, callback: Callable[..., object], *args: object) -> object:
        """Calls back in the loop's next turn."""

    def call_later(self, delay_s: float, callback: Callable[..., object], *args: object) -> Timer:
        """Calls back after `delay_s`."""

    async def sleep(self, delay_s: float) -> None:
        """Waits; cancellable."""


# --- what the doors call ------------------------------------------------------------------------


class Submitter(Protocol):
    """Admission: decides at once, answers after the commit."""

    def submit(self, submission: Submission, recipient: str) -> Message | Refusal:
        """One recipient as the customer wrote it.  A Refusal is final; else `answer` follows."""

    def submit_batch(self, submission: Submission, recipients: Sequence[str]) -> Batch | Refusal:
        """Many recipients, one content; bad recipients are left out, credit is all or nothing."""


class BulkIntake(Protocol):
    """One bulk on its way in.  Every intake needs one `commit` or one `abandon`."""

    async def add(self, numbers: Sequence[str]) -> None:
        """Takes some recipients as the customer wrote them.

        Returns once all but the last 2,000 are on disk; lets the loop turn between some hundred of
        them.  Raises StoreUnavailable.
        """

    def quote(self, text: str) -> BulkQuote | Refusal:
        """What it costs so far."""

    async def commit(
        self, order: BulkOrder, idempotency: IdempotencyKey | None, render: "RenderBulk"
    ) -> BulkView | Refusal:
        """Charges or holds the price and makes the bulk real, in one commit with its answer.

        A Refusal charges nothing, and removes what was taken in.  `render` makes the answer that is
        kept for the idempotency key.
        """

    async def abandon(self) -> None:
        """The customer went away: nothing is charged, what was taken in is removed."""


RenderBulk = Callable[[BulkView], tuple[int, bytes]]


class Bulks(Protocol):
    """Bulks of all accounts; whose one is, the door looks itself.  Raises `StoreUnavailable`."""

    def begin(self, credential: Credential, door: Door, *, is_kept: bool = True) -> BulkIntake:
        """A new intake; one that is not kept only counts and prices (a dry run)."""

    async def bulk(self, key: int) -> BulkView | None:
        """One bulk, or None; an intake is none yet."""

    async def list(
        self, account: Account, chosen: "BulkChoice", page: int, limit: int
    ) -> tuple[Sequence[BulkView], int]:
        """Page `page` (from 1) of the account's bulks, newest first, and how many there are."""

    async def recipients(
        self, view: BulkView, after_n: int, states: Collection[RecipientState], limit: int
    ) -> tuple[Sequence[BulkRecipient], int | None]:
        """Those past `after_n` in one of `states` (none = all), in order; and where to go on.

        Looks at no more than 10,000 rows, so a page may be short although there is more.  None: it
        was the last.
        """

    async def cancel(self, view: BulkView) -> int | None:
        """Ends a SCHEDULED bulk before it starts; what it releases, in micro-units.

        None: it is no longer scheduled.
        """


class BulkChoice(StrEnum):
    """Which bulks a list shows."""

    ALL = "all"
    SCHEDULED = "scheduled"
    CANCELLED = "cancelled"
    PENDING = "pending"  # running, and some recipient has no end
    SENT = "sent"  # all have their end, and some message left and did not fail
    FAILED = "failed"  # all have their end, and none of them is good


class Charges(Protocol):
    """What is paid for other things than messages."""

    async def charge(
        self, account: Account, door: Door, amount_micros: int, note: str
    ) -> Refusal | None:
        """Takes `amount_micros` (0 or more) from `account`; None once that is on disk.

        `note` stands on the ledger line.  A Refusal (NO_CREDIT, BUSY, STORE_UNAVAILABLE) took
        nothing.
        """

    async def give_back(self, account: Account, door: Door, amount_micros: int, note: str) -> None:
        """Returns what was charged for nothing; ends when that is on disk."""


class Lookups(Protocol):
    """Queries about numbers.  `numbers` are distinct E.164 digits; one record each, in order."""

    async def hlr(
        self, account: Account, door: Door, numbers: Sequence[str]
    ) -> "Sequence[HlrRecord] | Refusal | LookupFailure":
        """Asks the networks.  Paid for each number that got an answer."""

    async def nv(
        self, account: Account, door: Door, numbers: Sequence[str]
    ) -> "Sequence[NumberRecord | None] | Refusal":
        """Asks the numbering plans; None = invalid.  Paid for each valid number."""


class SenderVerdict(Enum):
    """Why a change of a sender id was not made."""

    NOT_FOUND = auto()
    NOT_VERIFIED = auto()
    DECLARED = auto()  # in the configuration file, which is where it is changed
    IS_DEFAULT = auto()
    HAS_MESSAGES = auto()


class SenderIds(Protocol):
    """Sender ids of an account, as its customer sees and changes them.

    `is_default` says which one is used when a request names none, wherever that was decided.
    Another account's look as if they did not exist.  Raises `StoreUnavailable`.
    """

    async def list(self, account: Account) -> Sequence[StoredSender]:
        """All of them, in the order they were made; "any sender" is none."""

    async def request(self, account: Account, name: str) -> StoredSender | None:
        """Asks for a new one, which waits for both stages; None: the name is taken."""

    async def make_default(self, account: Account, sender_id: int) -> StoredSender | SenderVerdict:
        """The one that is used when a request names none."""

    async def delete(self, account: Account, sender_id: int) -> SenderVerdict | None:
        """Removes one that was never used; None: done."""


class Directory(Protocol):
    """One notion of identity for every door."""

    def token(self, secret: str) -> Credential | None:
        """The credential of an API token, or None (unknown, revoked, disabled)."""

    def any_token(self, secret: str) -> Credential | None:
        """As `token`, but for a door that tells what is disabled from what is unknown."""

    def key_pair(self, api_key: str, api_token: str) -> Credential | None:
        """The credential of an API key with its token, enabled or not; None: one is wrong."""

    def smpp(self, system_id: str) -> Credential | None:
        """The enabled credential of a system_id, or None."""

    def template(self, account: Account, id: int) -> str | None:
        """The account's stored text of that number, or None."""

    def contact_group(self, account: Account, id: int) -> Iterable[Sequence[str]] | None:
        """The numbers of the account's contact group, about a thousand at a time, or None."""

    async def check_password(self, credential: Credential, password: str) -> bool:
        """Whether `password` opens `credential`.  Slow hashes run in a thread and are cached."""


class MessageReader(Protocol):
    """Queries of the customer doors."""

    async def message(self, account: Account, key: int) -> "MessageView | None":
        """One message of `account`, or None: unknown and other tenants' look the same."""

    async def stored_answer(self, account: Account, key: IdempotencyKey) -> StoredAnswer | None:
        """The answer already given for this idempotency key (24 h), or None."""


class MessageView(Protocol):
    """What a query shows of a message; live messages and stored rows fit it."""

    @property
    def key(self) -> int:
        """63-bit key."""

    @property
    def state(self) -> MessageState:
        """Where it is."""

    @property
    def recipient(self) -> str:
        """E.164 digits."""

    @property
    def sender(self) -> str:
        """As accepted."""

    @property
    def text(self) -> str | None:
        """As accepted; None: it is octets."""

    @property
    def charge_micros(self) -> int:
        """Price in micro-units of the account's currency."""

    @property
    def part_count(self) -> int:
        """Segments."""

    @property
    def sent_at_ms(self) -> int:
        """When a provider took it, UTC milliseconds; 0 = not yet."""

    @property
    def final_at_ms(self) -> int:
        """When it ended; 0 = not yet."""

    @property
    def error(self) -> str:
        """The provider's code, or empty."""


# --- what the heart asks of the store ----------------------------------------------------------


class CommitEngine(Protocol):
    """Writes commit groups, one at a time."""

    def commit(
        self, group: CommitGroup, done: Callable[[CommitGroup, Exception | None], None]
    ) -> None:
        """Starts writing `group`; `done(group, error)` is called on the loop when it ended.

        error: None (on disk), `StoreUnavailable` (nothing written, try later), `StoreRejected` (one
        row is at fault, nothing written) or `CreditConflict` (nothing written).  The caller starts
        no second group before `done`.  Cold transactions of the same store take turns with it.
        """


class MessageStore(Protocol):
    """Reads of the message rows, on connections of their own.  Raises `StoreUnavailable`."""

    async def next_key(self, after: int) -> int:
        """The least key of any message above `after`, 0 when there is none."""

    async def last_key(self) -> int:
        """The greatest key of any message, batch or bulk, 0 in an empty store."""

    async def queues(self) -> list[tuple[int, int]]:
        """(account_id, priority) pairs that have QUEUED rows."""

    async def queued(
        self, account_id: int, priority: int, after: tuple[int, int], due_before_ms: int, limit: int
    ) -> list[StoredMessage]:
        """QUEUED rows in order of (due_at_ms, key), past `after`, due before `due_before_ms`."""

    async def next_due_ms(
        self, account_id: int, priority: int, after: tuple[int, int]
    ) -> int | None:
        """due_at_ms of the first QUEUED row past `after`, or None."""

    async def expired(self, now_ms: int, after_key: int, limit: int) -> list[StoredMessage]:
        """QUEUED rows whose expires_at_ms has passed, by key."""

    async def in_flight(self, from_key: int, to_key: int, limit: int) -> list[StoredMessage]:
        """ATTEMPTED or SENT rows with from_key < key <= to_key, by key."""

    async def by_provider_message_id(
        self, provider_id: int, ids: Sequence[str]
    ) -> list[StoredMessage]:
        """Rows (not final, or UNKNOWN) with one of `ids`, their own or a part's.

        Case and leading zeros do not count.
        """

    async def awaited(
        self, provider_id: int, after: tuple[str, int], limit: int
    ) -> list[AwaitedReceipt]:
        """SENT rows of one provider that have its id, in order of the ids, past `after`.

        ("", 0) is before all of them.
        """

    async def owed_notifications(
        self, credential_id: int, after_key: int, limit: int
    ) -> list[StoredMessage]:
        """Rows with notified = PENDING of one credential, by key."""

    async def parked_receipts(self, limit: int) -> list[ParkedReceipt]:
        """The oldest parked receipts."""

    async def message(self, key: int) -> StoredMessage | None:
        """One row, or None."""

    async def events(self, key: int) -> list[MessageEvent]:
        """The message's events, oldest first."""

    async def stored_answer(
        self, account_id: int, key: IdempotencyKey, since_ms: int
    ) -> StoredAnswer | None:
        """The stored answer of an idempotency key no older than `since_ms`, or None."""


class BulkStore(Protocol):
    """Rows of bulks and their recipients.  Raises `StoreUnavailable`."""

    async def take_in(self, rows: Sequence[NewBulkRecipient], intake: NewBulk | None) -> None:
        """Writes recipients of an intake; with the first ones, its own row."""

    async def intakes(self, before_key: int) -> Sequence[int]:
        """Keys below `before_key` of intakes that were never committed, or wait to be deleted."""

    async def remove_intake(self, key: int, limit: int) -> bool:
        """Removes up to `limit` recipients of an intake; whether nothing of it is left."""

    async def unfed(self) -> Sequence[StoredBulk]:
        """Running bulks whose messages have not all been made, oldest first."""

    async def due(self, now_ms: int, limit: int) -> Sequence[StoredBulk]:
        """Scheduled bulks whose time has come."""

    async def next_due_ms(self) -> int | None:
        """When the next scheduled bulk is due, or None."""

    async def pending_recipients(
        self, key: int, after_n: int, limit: int
    ) -> Sequence[UnfedRecipient]:
        """The next recipients to make messages of, in order."""

    async def bulk(self, key: int) -> StoredBulk | None:
        """One bulk, or None; an intake is none."""

    async def list(
        self, account_id: int, chosen: BulkChoice, offset: int, limit: int
    ) -> tuple[Sequence[StoredBulk], int]:
        """Those of an account past `offset`, newest first, and how many there are in all."""

    async def recipients(
        self, key: int, after_n: int, states: Collection[RecipientState], limit: int
    ) -> Sequence[StoredRecipient]:
        """Up to `limit` of those numbered past `after_n` in one of `states` (none = all), in order.

        Looks at the next 10,000 numbers only.
        """


class AccountStore(Protocol):
    """Rows of accounts and credentials.  Raises `StoreUnavailable`."""

    async def load(self) -> list[StoredAccount]:
        """All accounts."""

    async def declare(
        self, name: str, currency: str, limit_micros: int, opening_micros: int, at_ms: int
    ) -> StoredAccount:
        """Makes or enables the file's account; the opening credit is applied once."""

    async def disable_undeclared(self, names: Collection[str]) -> list[str]:
        """Disables the file's accounts that are not in `names`; returns their names."""

    async def load_credentials(self) -> list[StoredCredential]:
        """All credentials, disabled ones included."""

    async def declare_credential(self, account_id: int, kind: CredentialKind, name: str) -> int:
        """Makes or enables the file's credential; returns its id."""

    async def disable_undeclared_credentials(self, ids: Collection[int]) -> list[int]:
        """Disables the file's credentials that are not in `ids`; returns their ids."""


class SenderStore(Protocol):
    """Rows of sender ids.  Raises `StoreUnavailable`."""

    async def load_senders(self, account_id: int | None = None) -> list[StoredSender]:
        """The senders of one account or of all, whatever their state."""

    async def set_sender(
        self,
        account_id: int,
        name: str,
        state: SenderState,
        verification: SenderVerification,
        reason: str,
        origin: Origin,
        at_ms: int,
    ) -> None:
        """Makes or changes one sender; one that may not send is no default any more."""

    async def request_sender(self, account_id: int, name: str, at_ms: int) -> StoredSender | None:
        """A new sender that awaits both stages; None when the account has one of that name."""

    async def make_default(self, account_id: int, sender_id: int) -> bool:
        """Makes it the account's only default; False when it may not send."""

    async def delete_sender(self, sender_id: int) -> bool:
        """Removes one that was never used; False when it was, or is gone."""

    async def count_messages(self, limit: int) -> int:
        """Counts up to `limit` messages that are not counted yet; how many it looked at."""


class BlockedStore(Protocol):
    """Rows of blocked recipients.  Raises `StoreUnavailable`."""

    async def page(self, after: tuple[int, int], limit: int) -> list[tuple[int, int]]:
        """Entries past `after`: (account id or 0, number), in that order."""

    async def block(self, account_id: int, numbers: Collection[int]) -> None:
        """Adds these; those that are there stay."""

    async def unblock(self, account_id: int, numbers: Collection[int]) -> None:
        """Removes these."""


class Retention(Protocol):
    """Removal of what is finished and old."""

    async def purge_finished(self, before_key: int, limit: int) -> int:
        """Removes up to `limit` final messages with keys below `before_key`; returns how many."""

    async def purge_bulks(self, before_key: int, limit: int) -> int:
        """Removes up to `limit` recipients of finished bulks begun before; returns how many.

        A bulk goes with its last recipient.
        """

    async def purge_answers(self, before_ms: int, limit: int) -> int:
        """Forgets up to `limit` stored answers given before `before_ms`; returns how many."""

    async def purge_parked_receipts(self, before_ms: int, limit: int) -> int:
        """Forgets up to `limit` receipts parked before `before_ms`; returns how many."""

    async def close_ledger(self, before_ms: int, limit: int) -> int:
        """Folds the next `limit` ledger lines before `before_ms`; returns how many it saw."""


# --- what the doors offer -----------------------------------------------------------------------


class Notifier(Protocol):
    """A door that can tell customers of final fates on the link they came by: the SMPP server."""

    def notify(self, message: Message) -> bool:
        """Sends one if the customer's links have room; else False and nothing happened.

        After True exactly one call of `NotificationSink` follows.  Never blocks, never raises.
        """


class NotificationSink(Protocol):
    """Where a door reports what became of a notification."""

    def notified(self, message: Message) -> None:
        """The customer has it."""

    def postponed(self, message: Message, delay_s: float) -> None:
        """Not taken (link lost, temporary error): offer it again, no sooner than `delay_s`."""

    def room_changed(self, credential: Credential) -> None:
        """A receiving bind came, or room() grew from 0."""


class Provider(Protocol):
    """A south wire: hands parts to one upstream.

    `whole_text`: a long text goes as one request, `submit(message, 0)`, and counts as one part
    south.
    """

    whole_text: bool

    def room(self) -> int:
        """Parts it can take now (free window over all links); 0 when nothing is connected."""

    def in_flight(self) -> int:
        """Parts it was given and has not settled."""

    def capacity(self) -> int:
        """Parts that may be in flight at a time: the window over the links that stand."""

    def submit(self, message: Message, part: int) -> None:
        """Sends part `part` (0 for a single one); exactly one `ProviderSink.settled` follows.

        Never blocks, never raises.  May be called beyond `room()` for the other parts of a message.
        """

    def is_up(self) -> bool:
        """Whether it is connected (a spent window still counts as up)."""

    async def start(self) -> None:
        """Begins to connect; returns at once."""

    async def stop(self, deadline_s: float) -> None:
        """Drains: waits for outstanding answers up to `deadline_s`, then closes."""

    def describe(self) -> Mapping[str, object]:
        """Live state for `postern provider list`: links, outstanding, last error."""


class HlrProvider(Protocol):
    """A connector to somebody who can ask the networks."""

    async def look_up(self, number: str) -> HlrRecord | LookupFailure:
        """One number, E.164 digits.  Takes as long as its own time-out; never raises."""


class ProviderSink(Protocol):
    """The heart's end of a provider: takes outcomes, receipts and news of room."""

    def settled(self, message: Message, part: int, outcome: Outcome) -> None:
        """The outcome of one submitted part."""

    def late(self, message: Message, part: int, outcome: Outcome) -> None:
        """An answer that came after the part was settled as Unknown."""

    def receipt(
        self, receipt: Receipt, stored: Callable[[object, bool], None], token: object
    ) -> None:
        """A receipt came.  `stored(token, True)` once it is on disk: only then acknowledge it."""

    def room_changed(self) -> None:
        """A link came up or went down, or room() grew from 0."""
