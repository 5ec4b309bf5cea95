"""The former home of evaluators.kernel_task, which problems of yesterday import."""

from evaluators.kernel_task import Baseline, Buffer, KernelTask, Metamorphic, Scalar

__all__ = ["Baseline", "Buffer", "KernelTask", "Metamorphic", "Scalar"]
