"""Token bucket arithmetic; time is an argument.

A bucket is `[tokens, at]`, seconds of a monotonic clock.
"""


def take(bucket: list[float], rate_per_s: float, burst: float, cost: int, now: float) -> bool:
    """Takes `cost` tokens if they are there.  A fresh bucket `[0.0, 0.0]` is full.

    A cost above `burst` passes when the bucket is full and leaves it in debt, so that one message
    of many parts is slowed down, not refused for ever.
    """
    tokens = bucket[0] + (now - bucket[1]) * rate_per_s if bucket[1] else burst
    if tokens > burst:
        tokens = burst
    bucket[1] = now
    if tokens >= cost or (cost > burst and tokens >= burst):
        bucket[0] = tokens - cost
        return True
    bucket[0] = tokens
    return False


def level(bucket: list[float], rate_per_s: float, burst: float, now: float) -> float:
    """Tokens that are there now; below 0 = in debt."""
    if not bucket[1]:
        return burst
    return min(burst, bucket[0] + (now - bucket[1]) * rate_per_s)


def wait_s(bucket: list[float], rate_per_s: float, cost: float) -> float:
    """Seconds until `cost` tokens will be there, counted from the bucket's own time."""
    return max(0.0, (cost - bucket[0]) / rate_per_s)
