"""When a simulator process ends, and with which exit code."""

import asyncio


class Ending:
    """Waits for the first reason to stop: a signal, the owner's end, or a task that died."""

    __slots__ = ("_exit_code",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._exit_code: asyncio.Future[int] = loop.create_future()

    def end(self) -> None:
        """Ends as asked."""
        self._set(0)

    def died(self, task: str, error: BaseException) -> None:
        """Ends with exit code 1; fits `Supervisor`, which has logged the error."""
        self._set(1)

    async def wait(self) -> int:
        """The exit code, once there is one."""
        return await self._exit_code

    def _set(self, exit_code: int) -> None:
        if not self._exit_code.done():
            self._exit_code.set_result(exit_code)
