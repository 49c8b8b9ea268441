// The two entry points that the glue calls. Pointers, sizes and a stream go in; neither knows
// Paddle.
#pragma once
#include "ranger_math.h"

// One step of `count` tensors in host memory, in place, on OpenMP's threads. The result does not
// depend on their number.
void ranger_cpu_step(const RangerTensor* tensors, int64_t count, const RangerConstants& constants);

// The same in device memory on `stream` (a cudaStream_t), without waiting. Returns null or CUDA's
// error message.
extern "C" const char* ranger_cuda_step(const RangerTensor* tensors, int64_t count,
                                        const RangerConstants& constants, void* stream);
