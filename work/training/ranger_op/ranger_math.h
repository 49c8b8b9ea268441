// The arithmetic of one Ranger step, shared by the CPU and the CUDA code. No Paddle header: plain
// C++.
//
// RAdam (Liu et al. 2020, "On the Variance of the Adaptive Learning Rate and Beyond", algorithm 2),
// gradient centralisation (Yong et al. 2020, equation 1) and Lookahead (Zhang et al. 2019,
// algorithm 1), in the order of the Ranger that SAM trains with. What depends on the step number
// alone is worked out in Python, once per tensor.
#pragma once
#include <cstdint>

#if defined(__CUDACC__) || defined(RANGER_EMULATE_CUDA)
#define RANGER_INLINE __host__ __device__ __forceinline__
#else
#define RANGER_INLINE inline
#endif
#include <cmath>

enum RangerCentre : int32_t {
  kCentreNone = 0,
  kCentreRows = 1,     // subtract from each row its own mean
  kCentreColumns = 2,  // subtract from each column its own mean
};

struct RangerTensor {  // one parameter and its state, all float32, seen as a row-major matrix
                       // [rows, cols]
  float* param;
  const float* grad;
  float* exp_avg;
  float* exp_avg_sq;
  float* slow;
  int64_t rows, cols;
  float step_size;    // learning rate times RAdam's factor and bias correction
  float decay;        // learning rate times weight decay
  int32_t centre;     // RangerCentre
  int32_t adaptive;   // divide by sqrt(exp_avg_sq) + eps? not while its variance is intractable
  int32_t lookahead;  // is this one of every k steps?
};

struct RangerConstants {
  float beta1, one_minus_beta1, beta2, one_minus_beta2, eps, alpha;
};

template <bool Adaptive, bool Lookahead>
RANGER_INLINE void ranger_element(float grad, float& param, float& exp_avg, float& exp_avg_sq,
                                  float& slow, float step_size, float decay,
                                  const RangerConstants& c) {
  const float second = c.beta2 * exp_avg_sq + c.one_minus_beta2 * grad * grad;
  const float first = c.beta1 * exp_avg + c.one_minus_beta1 * grad;
  exp_avg_sq = second;
  exp_avg = first;
  float value = param - decay * param;
  value -= step_size * (Adaptive ? first / (sqrtf(second) + c.eps) : first);
  if (Lookahead) {
    value = slow + c.alpha * (value - slow);
    slow = value;
  }
  param = value;
}
