"""One Ranger step for many tensors, in place, in two implementations: plain Paddle and compiled.

`step.py` holds both behind one signature; `ranger_math.h` the arithmetic, shared by `ranger_cpu.cc`
(OpenMP) and `ranger_cuda.cu`; `ranger_op.cc` the glue to Paddle; `build.py` the compiler and the
cache; `update_rule.py` and `state.py` what the optimizer knows besides.
"""
