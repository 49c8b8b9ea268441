// Ranger on the CPU: one pass over memory. A mean is taken while its row (or block of columns)
// comes into the cache, and the update then reads the gradient from there.
#include <algorithm>
#include <atomic>
#include <vector>

#include "ranger_step.h"

namespace {

constexpr int64_t kCacheLine = 16;     // floats
constexpr int64_t kTask = 1 << 16;     // elements: long enough to hide a start, short to balance
constexpr int64_t kBlock = 1 << 15;    // floats of a column block's gradient: 128 KiB stay cached
constexpr int64_t kLongRow = 1 << 20;  // longer rows are split over threads and read twice

struct Task {
  const RangerTensor* tensor;
  int64_t begin, end;  // rows, columns or elements
  bool known_mean;     // the mean was worked out before: begin and end are elements
  float mean;
};

double sum(const float* x, int64_t n) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < n; ++i) total += x[i];
  return total;
}

// Update elements [begin, end); `means` holds one value for each of them, or is null and `mean`
// holds for all.
template <bool Adaptive, bool Lookahead, bool Means>
void update_span(const RangerTensor& t, const RangerConstants& constants, int64_t begin,
                 int64_t end, float mean, const float* __restrict means) {
  float* __restrict p = t.param + begin;
  const float* __restrict g = t.grad + begin;
  float* __restrict m = t.exp_avg + begin;
  float* __restrict v = t.exp_avg_sq + begin;
  float* __restrict s = t.slow + begin;
  const RangerConstants c = constants;
  const float step_size = t.step_size, decay = t.decay;
  const int64_t n = end - begin;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i)
    ranger_element<Adaptive, Lookahead>(g[i] - (Means ? means[i] : mean), p[i], m[i], v[i], s[i],
                                        step_size, decay, c);
}

void update(const RangerTensor& t, const RangerConstants& c, int64_t begin, int64_t end, float mean,
            const float* means = nullptr) {
  using Span =
      void (*)(const RangerTensor&, const RangerConstants&, int64_t, int64_t, float, const float*);
  static constexpr Span spans[] = {
      update_span<false, false, false>, update_span<false, false, true>,
      update_span<false, true, false>,  update_span<false, true, true>,
      update_span<true, false, false>,  update_span<true, false, true>,
      update_span<true, true, false>,   update_span<true, true, true>};
  spans[(t.adaptive ? 4 : 0) + (t.lookahead ? 2 : 0) + (means ? 1 : 0)](t, c, begin, end, mean,
                                                                        means);
}

void update_columns(const RangerTensor& t, const RangerConstants& c, int64_t begin, int64_t end) {
  const int64_t width = end - begin;
  std::vector<double> totals(width, 0.0);
  for (int64_t r = 0; r < t.rows; ++r) {
    const float* g = t.grad + r * t.cols + begin;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) totals[i] += g[i];
  }
  std::vector<float> means(width);
  for (int64_t i = 0; i < width; ++i) means[i] = static_cast<float>(totals[i] / t.rows);
  for (int64_t r = 0; r < t.rows; ++r)
    update(t, c, r * t.cols + begin, r * t.cols + end, 0.f, means.data());
}

void run_task(const Task& task, const RangerConstants& c) {
  const RangerTensor& t = *task.tensor;
  if (t.centre == kCentreColumns) return update_columns(t, c, task.begin, task.end);
  if (t.centre == kCentreNone || task.known_mean)
    return update(t, c, task.begin, task.end, task.mean);
  for (int64_t r = task.begin; r < task.end; ++r) {
    const float mean = static_cast<float>(sum(t.grad + r * t.cols, t.cols) / t.cols);
    update(t, c, r * t.cols, (r + 1) * t.cols, mean);
  }
}

// Call body(0 .. count-1) on OpenMP's threads. The counter, and not `omp for`, hands out the work:
// Paddle's own OpenMP library, which may be older than the compiler, is the one linked, and this
// needs nothing of it but a team of threads.
template <class Body>
void for_each(int64_t count, Body body) {
  std::atomic<int64_t> next{0};
#pragma omp parallel if (count > 1)
  for (int64_t i; (i = next.fetch_add(1)) < count;) body(i);
}

float long_mean(const float* x,
                int64_t n) {  // blocks of fixed size: the same bits for any number of threads
  std::vector<double> parts((n + kTask - 1) / kTask);
  for_each(parts.size(),
           [&](int64_t i) { parts[i] = sum(x + i * kTask, std::min(kTask, n - i * kTask)); });
  double total = 0;
  for (double part : parts) total += part;
  return static_cast<float>(total / n);
}

void add_tasks(const RangerTensor& t, std::vector<Task>& tasks) {
  const auto split = [&](int64_t begin, int64_t end, int64_t size, bool known, float mean) {
    for (int64_t at = begin; at < end; at += size)
      tasks.push_back({&t, at, std::min(at + size, end), known, mean});
  };
  if (t.centre == kCentreColumns) {
    const int64_t fits = kBlock / std::max<int64_t>(t.rows, 1) / kCacheLine * kCacheLine;
    split(0, t.cols, std::max(fits, kCacheLine), false, 0.f);
  } else if (t.centre == kCentreNone) {
    split(0, t.rows * t.cols, kTask, false, 0.f);
  } else if (t.cols <= kLongRow) {
    split(0, t.rows, std::max<int64_t>(kTask / t.cols, 1), false, 0.f);
  } else {
    for (int64_t r = 0; r < t.rows; ++r)
      split(r * t.cols, (r + 1) * t.cols, kTask, true, long_mean(t.grad + r * t.cols, t.cols));
  }
}

}  // namespace

void ranger_cpu_step(const RangerTensor* tensors, int64_t count, const RangerConstants& constants) {
  std::vector<Task> tasks;
  for (int64_t i = 0; i < count; ++i) add_tasks(tensors[i], tasks);
  for_each(tasks.size(), [&](int64_t i) { run_task(tasks[i], constants); });
}
