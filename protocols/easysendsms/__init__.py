"""The EasySendSMS REST API v1: contract (pure shapes) and server."""
