// Ranger on the CPU: one pass over memory. A mean is taken while its row (or block of columns)
// comes into the cache, and the update then reads the gradient from there. Only rows of more than
// kTask elements (whole tensors with one mean) are read twice: they are split over the threads.
#include <algorithm>
#include <atomic>
#include <vector>

#include "ranger_step.h"

namespace {

constexpr int64_t kTask = 1 << 16;   // elements: long enough to hide a start, short to balance
constexpr int64_t kBlock = 1 << 18;  // floats of a column block's gradient: 1 MiB stay in a cache
constexpr int64_t kMinWidth = 128;   // columns of a block at least: steady streams

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

enum Mode {
  kOneMean,   // `mean` holds for all elements
  kMeans,     // `extra` holds one mean for each element
  kSumAhead,  // kOneMean, and return the sum of `extra`: the gradient's next row, on its way in
};

template <bool Adaptive, bool Lookahead, Mode mode>
float update_span(const RangerTensor& t, const RangerConstants& constants, int64_t begin,
                  int64_t end, float mean, const float* __restrict extra) {
  float* __restrict p = t.param + begin;
  const float* __restrict g = t.grad + begin;
  float* __restrict m = t.exp_avg + begin;
  float* __restrict v = t.exp_avg_sq + begin;
  float* __restrict s = t.slow + begin;
  const RangerConstants c = constants;
  const float step_size = t.step_size, decay = t.decay;
  const int64_t n = end - begin;
  float ahead = 0.f;
#pragma omp simd reduction(+ : ahead)
  for (int64_t i = 0; i < n; ++i) {
    if (mode == kSumAhead) ahead += extra[i];
    ranger_element<Adaptive, Lookahead>(g[i] - (mode == kMeans ? extra[i] : mean), p[i], m[i], v[i],
                                        s[i], step_size, decay, c);
  }
  return ahead;
}

// Update the elements [begin, end).
template <Mode mode>
float update(const RangerTensor& t, const RangerConstants& c, int64_t begin, int64_t end,
             float mean, const float* extra = nullptr) {
  const auto span =
      t.adaptive ? (t.lookahead ? update_span<true, true, mode> : update_span<true, false, mode>)
                 : (t.lookahead ? update_span<false, true, mode> : update_span<false, false, mode>);
  return span(t, c, begin, end, mean, extra);
}

// A row's sum is taken during the update of the row before: all memory goes by in steady streams.
void update_rows(const RangerTensor& t, const RangerConstants& c, int64_t begin, int64_t end) {
  double total = sum(t.grad + begin * t.cols, t.cols);
  for (int64_t r = begin; r < end; ++r) {
    const float mean = static_cast<float>(total / t.cols);
    const int64_t at = r * t.cols, next = at + t.cols;
    if (r + 1 < end)
      total = update<kSumAhead>(t, c, at, next, mean, t.grad + next);
    else
      update<kOneMean>(t, c, at, next, mean);
  }
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
    update<kMeans>(t, c, r * t.cols + begin, r * t.cols + end, 0.f, means.data());
}

void run_task(const Task& task, const RangerConstants& c) {
  const RangerTensor& t = *task.tensor;
  if (t.centre == kCentreColumns)
    update_columns(t, c, task.begin, task.end);
  else if (t.centre == kCentreRows && !task.known_mean)
    update_rows(t, c, task.begin, task.end);
  else
    update<kOneMean>(t, c, task.begin, task.end, task.mean);
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

// In blocks of a fixed size: the same bits for any number of threads.
float long_mean(const float* x, int64_t n) {
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
    const int64_t fits = kBlock / std::max<int64_t>(t.rows, 1) / kMinWidth * kMinWidth;
    split(0, t.cols, std::max(fits, kMinWidth), false, 0.f);
  } else if (t.centre == kCentreNone) {
    split(0, t.rows * t.cols, kTask, false, 0.f);
  } else if (t.cols <= kTask) {
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
