"""A stand-in for Triton where it is not installed: kernels run as plain Python, on numbers at addresses."""

from triton.runtime.interpreter import InterpretedFunction

jit = InterpretedFunction
