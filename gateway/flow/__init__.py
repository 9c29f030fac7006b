"""The message's path: admission, journal, dispatch, receipts, notifications, maintenance."""
