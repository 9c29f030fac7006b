from gateway.domain.errors import TEMPORARY, CreditConflict, Refusal, RefusalCode


def test_codes_are_stable_words() -> None:
    assert all(code.value == code.name.lower() for code in RefusalCode)


def test_back_pressure_is_temporary_and_bad_input_is_not() -> None:
    assert {RefusalCode.BUSY, RefusalCode.STORE_UNAVAILABLE} <= TEMPORARY
    assert not {RefusalCode.NO_CREDIT, RefusalCode.RECIPIENT_INVALID} & TEMPORARY


def test_a_refusal_shows_code_and_reason() -> None:
    assert repr(Refusal(RefusalCode.NO_CREDIT, "too low")) == "Refusal(no_credit, 'too low')"


def test_a_conflict_names_its_accounts() -> None:
    error = CreditConflict(frozenset({3, 1}))
    assert error.account_ids == {1, 3}
    assert "[1, 3]" in str(error)
