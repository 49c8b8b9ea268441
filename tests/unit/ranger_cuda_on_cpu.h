// Just enough of CUDA to run ranger_cuda.cu on a CPU: a block's threads are real threads, its
// blocks come one after the other, __syncthreads() is a barrier.
#pragma once
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#define __host__
#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static  // one block at a time
#define RANGER_EMULATE_CUDA
#define RANGER_LAUNCH(kernel, grid, threads, stream, ...) \
  emulate(kernel, grid, threads, __VA_ARGS__)

struct dim3 {
  unsigned x, y;
  constexpr dim3(unsigned x = 0, unsigned y = 0) : x(x), y(y) {}
};
using cudaStream_t = void*;
using cudaError_t = int;
constexpr cudaError_t cudaSuccess = 0;
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t) { return "emulated"; }

inline thread_local dim3 threadIdx, blockIdx;
inline dim3 gridDim;

class Barrier {
 public:
  void reset(int size) { size_ = size; }
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    const int round = round_;
    if (++arrived_ == size_) {
      arrived_ = 0;
      ++round_;
      all_.notify_all();
    } else {
      all_.wait(lock, [&] { return round != round_; });
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_;
  int size_ = 0, arrived_ = 0, round_ = 0;
};
inline Barrier barrier;
inline void __syncthreads() { barrier.wait(); }

template <class Kernel, class... Arguments>
void emulate(Kernel kernel, dim3 grid, int threads, const Arguments&... arguments) {
  barrier.reset(threads);
  gridDim = grid;
  std::vector<std::thread> block;
  for (int thread = 0; thread < threads; ++thread)
    block.emplace_back([&, thread] {
      threadIdx.x = thread;
      for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
        for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
          kernel(arguments...);
          barrier.wait();
        }
    });
  for (std::thread& thread : block) thread.join();
}
