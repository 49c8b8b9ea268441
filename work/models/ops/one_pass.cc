// Operators that Paddle's CPU kernels take several passes or one thread for, each in one pass over its tensors.
// Tensors are contiguous float32 in NCHW order; `size` is H * W. Every sum is taken by one thread in a fixed order,
// so results do not depend on the number of threads.
#include <algorithm>
#include <cstdint>

namespace {

constexpr int64_t BLOCK = 2048;  // summed in float32, the blocks' sums in float64

template <class Term>
double sum(int64_t size, Term term) {
  double total = 0;
  for (int64_t start = 0; start < size; start += BLOCK) {
    const int64_t end = std::min(start + BLOCK, size);
    float part = 0;
#pragma omp simd reduction(+ : part)
    for (int64_t i = start; i < end; ++i) part += term(i);
    total += part;
  }
  return total;
}

}  // namespace

// y = x > 0 ? x : slope[c] * x
extern "C" void sam_prelu(const float* x, const float* slope, float* y, int64_t n, int64_t c,
                          int64_t size) {
#pragma omp parallel for
  for (int64_t plane = 0; plane < n * c; ++plane) {
    const float *in = x + plane * size, a = slope[plane % c];
    float* out = y + plane * size;
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) out[i] = in[i] > 0 ? in[i] : a * in[i];
  }
}

// The gradients of sam_prelu: gx, and gslope[c] unless it is null.
extern "C" void sam_prelu_gradient(const float* x, const float* slope, const float* g, float* gx,
                                   float* gslope, int64_t n, int64_t c, int64_t size) {
#pragma omp parallel for
  for (int64_t channel = 0; channel < c; ++channel) {
    const float a = slope[channel];
    double total = 0;
    for (int64_t sample = 0; sample < n; ++sample) {
      const int64_t offset = (sample * c + channel) * size;
      const float *in = x + offset, *from = g + offset;
      float* to = gx + offset;
      total += sum(size, [=](int64_t i) {
        to[i] = in[i] > 0 ? from[i] : a * from[i];
        return in[i] > 0 ? 0.0f : in[i] * from[i];
      });
    }
    if (gslope) gslope[channel] = static_cast<float>(total);
  }
}

// y = leaky(x * scale[n, c] + noise[n or 1, h, w] + bias[c]), with leaky(z) = z > 0 ? z : slope * z. `noise` and
// `bias` may be null; `noise_step` is size if each sample has noise of its own, else 0.
extern "C" void sam_activate(const float* x, const float* scale, const float* noise,
                             const float* bias, float* y, float slope, int64_t noise_step,
                             int64_t n, int64_t c, int64_t size) {
#pragma omp parallel for
  for (int64_t plane = 0; plane < n * c; ++plane) {
    const float *in = x + plane * size, factor = scale[plane], b = bias ? bias[plane % c] : 0;
    float* out = y + plane * size;
    if (noise) {
      const float* shift = noise + plane / c * noise_step;
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) {
        const float z = in[i] * factor + shift[i] + b;
        out[i] = z > 0 ? z : slope * z;
      }
    } else {
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) {
        const float z = in[i] * factor + b;
        out[i] = z > 0 ? z : slope * z;
      }
    }
  }
}

// The gradients of sam_activate from those of y, g: gx, gscale[n, c], and gshift[n, c], which is the bias's before it
// is summed over n; gnoise[n or 1, h, w] unless it is null.
extern "C" void sam_activate_gradient(const float* x, const float* scale, const float* y,
                                      const float* g, float* gx, float* gscale, float* gshift,
                                      float* gnoise, float slope, int64_t noise_step, int64_t n,
                                      int64_t c, int64_t size) {
#pragma omp parallel for
  for (int64_t plane = 0; plane < n * c; ++plane) {
    const int64_t offset = plane * size;
    const float *in = x + offset, *out = y + offset, *from = g + offset, factor = scale[plane];
    float* to = gx + offset;
    double scaled = 0, plain = 0;
    for (int64_t start = 0; start < size; start += BLOCK) {
      const int64_t end = std::min(start + BLOCK, size);
      float part = 0, rest = 0;
#pragma omp simd reduction(+ : part, rest)
      for (int64_t i = start; i < end; ++i) {
        const float d = out[i] > 0 ? from[i] : slope * from[i];
        to[i] = d * factor;
        part += d * in[i];
        rest += d;
      }
      scaled += part;
      plain += rest;
    }
    gscale[plane] = static_cast<float>(scaled);
    gshift[plane] = static_cast<float>(plain);
  }
  if (!gnoise) return;
  const int64_t maps = noise_step ? n : 1;
#pragma omp parallel for
  for (int64_t start = 0; start < size; start += BLOCK) {
    const int64_t end = std::min(start + BLOCK, size);
    for (int64_t map = 0; map < maps; ++map) {
      float* to = gnoise + map * size;
      std::fill(to + start, to + end, 0.0f);
      for (int64_t plane = map * c; plane < (noise_step ? (map + 1) * c : n * c); ++plane) {
        const float *out = y + plane * size, *from = g + plane * size;
#pragma omp simd
        for (int64_t i = start; i < end; ++i) to[i] += out[i] > 0 ? from[i] : slope * from[i];
      }
    }
  }
}
