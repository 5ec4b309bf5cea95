"""Where kernels run, as the one who judges them sees it: a bench on the processor, or a GPU.

All that is decided (what is called, in which order, on what content, whether it is right, what it took) is decided on this
side; a stand makes calls, and reads clocks that no kernel can reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from evaluators.contract import Program
from evaluators.kernels.bench.client import Reply


class Stand(Protocol):
    """A place where kernels run, each in a child process of its own. Not thread-safe; its owner closes it.

    Buffers lie in two files in shared memory, one of inputs and one of outputs, by region (offset and size in bytes, and
    whether it is an output). A GPU has copies of them: what stands in the files when a call begins is what the kernel
    meets, and when the call returns, the outputs stand in the files as they were when the clock was stopped.
    """

    def spawn(
        self,
        number: int,
        program: Program,
        function: str,
        *,
        regions: Sequence[tuple[int, int, bool]],
        descriptors: tuple[int, int],
        cpu: int | None = None,
        is_ghost: bool = False,
    ) -> Reply:
        """Starts child `number`, in the place of the one before, and has it load the program.

        Raises:
            SandboxError: the stand fails; the program is not to blame.
        """
        ...

    def call(self, number: int, plan: Sequence[Sequence[Mapping[str, Any]]] | None = None) -> Reply:
        """Has a child make its planned calls (a new `plan` first, where there is one), and stops it.

        A GPU's caches are emptied before, so that each call of a plan meets data that no cache holds, and its clock is
        stopped once nothing is left to do on the GPU.

        Raises:
            SandboxError: as above.
        """
        ...

    def settle(self, number: int) -> None:
        """Has the outputs stand in the files as they are now, so that what came after the clock was stopped is seen."""
        ...

    def end(self, number: int) -> None:
        """Ends a child, if it is still there."""
        ...
