// Ranger on a GPU. A block takes whole rows (or 32 columns) at a time: it sums them, then updates
// them while the gradient is still in the cache. Many tensors go into one launch. No Paddle header
// here: with CUDA 13 Paddle's half-precision operators do not compile.
#include <algorithm>

#include "ranger_step.h"

#ifndef RANGER_THREADS
#define RANGER_THREADS 256
#define RANGER_MAX_BLOCKS 1024
#endif
#ifndef RANGER_LAUNCH  // the tests run this file on a CPU with a launch of their own
#include <cuda_runtime.h>
// clang-format off
#define RANGER_LAUNCH(kernel, grid, threads, stream, ...) \
  kernel<<<grid, threads, 0, stream>>>(__VA_ARGS__)
// clang-format on
#endif

namespace {
constexpr int kThreads = RANGER_THREADS;
constexpr int kLanes = 32;      // neighbouring columns of one block: a full memory transaction
constexpr int kPerLaunch = 40;  // 40 x 80 bytes: kernel arguments may take 4 KiB
constexpr int kMaxBlocks = RANGER_MAX_BLOCKS;  // per tensor; a block goes on to further rows

struct Batch {
  RangerTensor tensor[kPerLaunch];
};
static_assert(sizeof(Batch) + sizeof(RangerConstants) <= 4096,
              "kernel arguments are limited to 4 KiB");

__device__ __forceinline__ void update(const RangerTensor& t, const RangerConstants& c, int64_t i,
                                       float mean) {
  const float g = t.grad[i] - mean;
  float p = t.param[i], m = t.exp_avg[i], v = t.exp_avg_sq[i];
  if (t.lookahead) {
    float s = t.slow[i];
    if (t.adaptive)
      ranger_element<true, true>(g, p, m, v, s, t.step_size, t.decay, c);
    else
      ranger_element<false, true>(g, p, m, v, s, t.step_size, t.decay, c);
    t.slow[i] = s;
  } else {
    float unused = 0.f;
    if (t.adaptive)
      ranger_element<true, false>(g, p, m, v, unused, t.step_size, t.decay, c);
    else
      ranger_element<false, false>(g, p, m, v, unused, t.step_size, t.decay, c);
  }
  t.param[i] = p;
  t.exp_avg[i] = m;
  t.exp_avg_sq[i] = v;
}

// The sum of `value` over all threads of the block, in every thread.
__device__ float block_sum(float value, float* shared) {
  __syncthreads();  // the last sum may still be read
  shared[threadIdx.x] = value;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
  }
  __syncthreads();
  return shared[0];
}

__device__ void update_rows(const RangerTensor& t, const RangerConstants& c, float* shared) {
  for (int64_t row = blockIdx.x; row < t.rows; row += gridDim.x) {
    const int64_t begin = row * t.cols, end = begin + t.cols;
    float part = 0.f;
    for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) part += t.grad[i];
    const float mean = block_sum(part, shared) / t.cols;
    for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) update(t, c, i, mean);
  }
}

__device__ void update_columns(const RangerTensor& t, const RangerConstants& c, float* shared) {
  const int lane = threadIdx.x % kLanes, first = threadIdx.x / kLanes, stride = kThreads / kLanes;
  for (int64_t base = int64_t(blockIdx.x) * kLanes; base < t.cols;
       base += int64_t(gridDim.x) * kLanes) {
    const int64_t column = base + lane;
    float part = 0.f;
    if (column < t.cols)
      for (int64_t row = first; row < t.rows; row += stride) part += t.grad[row * t.cols + column];
    __syncthreads();  // the last block of columns may still be read
    shared[threadIdx.x] = part;
    __syncthreads();
    float mean = 0.f;
    for (int i = 0; i < stride; ++i) mean += shared[i * kLanes + lane];
    mean /= t.rows;
    if (column < t.cols)
      for (int64_t row = first; row < t.rows; row += stride)
        update(t, c, row * t.cols + column, mean);
  }
}

__global__ void ranger_kernel(const Batch batch, const RangerConstants c) {
  __shared__ float shared[kThreads];
  const RangerTensor& t = batch.tensor[blockIdx.y];
  if (t.centre == kCentreRows) return update_rows(t, c, shared);
  if (t.centre == kCentreColumns) return update_columns(t, c, shared);
  const int64_t count = t.rows * t.cols, stride = int64_t(gridDim.x) * kThreads;
  for (int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x; i < count; i += stride)
    update(t, c, i, 0.f);
}

int64_t blocks_for(const RangerTensor& t) {
  if (t.centre == kCentreRows) return t.rows;
  const int64_t count = t.centre == kCentreColumns ? t.cols : t.rows * t.cols;
  const int64_t each = t.centre == kCentreColumns ? kLanes : kThreads;
  return (count + each - 1) / each;
}

}  // namespace

extern "C" const char* ranger_cuda_step(const RangerTensor* tensors, int64_t count,
                                        const RangerConstants& constants, void* stream) {
  for (int64_t begin = 0; begin < count; begin += kPerLaunch) {
    const int64_t size = std::min<int64_t>(kPerLaunch, count - begin);
    Batch batch = {};
    int64_t blocks = 1;
    for (int64_t i = 0; i < size; ++i) {
      batch.tensor[i] = tensors[begin + i];
      blocks = std::max(blocks, blocks_for(batch.tensor[i]));
    }
    const dim3 grid(static_cast<unsigned>(std::min<int64_t>(blocks, kMaxBlocks)),
                    static_cast<unsigned>(size));
    RANGER_LAUNCH(ranger_kernel, grid, kThreads, static_cast<cudaStream_t>(stream), batch,
                  constants);
    const cudaError_t error = cudaGetLastError();
    if (error != cudaSuccess) return cudaGetErrorString(error);
  }
  return nullptr;
}
