"""Simulated carriers: an SMSC and an HTTP carrier with scriptable misbehaviour."""
