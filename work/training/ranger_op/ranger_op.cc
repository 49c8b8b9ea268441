// The glue between Paddle and the step: takes tensors apart into pointers and sizes, and registers
// the operator. It needs no CUDA header (Paddle's pull in thrust): the stream comes from Python as
// a number.
#include <vector>

#include "paddle/phi/api/all.h"  // not paddle/extension.h, which adds pybind and so needs Python.h
#include "ranger_step.h"

namespace {

using Tensors = std::vector<paddle::Tensor>;

void check(const paddle::Tensor& tensor, const paddle::Tensor& param, const char* name) {
  PD_CHECK(tensor.dtype() == paddle::DataType::FLOAT32, "ranger_step: ", name, " must be float32");
  PD_CHECK(tensor.numel() == param.numel(), "ranger_step: ", name,
           " and its parameter differ in size");
  PD_CHECK(tensor.place() == param.place(), "ranger_step: ", name,
           " and its parameter are on different devices");
}

}  // namespace

// flags: bits 0 and 1 RangerCentre, bit 2 adaptive, bit 3 lookahead; constants: the fields of
// RangerConstants.
void ranger_step(Tensors& param, const Tensors& grad, Tensors& exp_avg, Tensors& exp_avg_sq,
                 Tensors& slow, const std::vector<int64_t>& rows, const std::vector<int>& flags,
                 const std::vector<float>& step_size, const std::vector<float>& decay,
                 const std::vector<float>& constants, int64_t stream) {
  const size_t n = param.size();
  PD_CHECK(n > 0 && grad.size() == n && exp_avg.size() == n && exp_avg_sq.size() == n &&
               slow.size() == n && rows.size() == n && flags.size() == n && step_size.size() == n &&
               decay.size() == n,
           "ranger_step: all lists must have the length of the list of parameters");
  PD_CHECK(constants.size() == 6, "ranger_step: constants must hold 6 numbers");
  std::vector<RangerTensor> tensors;
  for (size_t i = 0; i < n; ++i) {
    paddle::Tensor& p = param[i];
    PD_CHECK(p.dtype() == paddle::DataType::FLOAT32, "ranger_step: parameters must be float32");
    PD_CHECK(p.place() == param[0].place(),
             "ranger_step: all parameters of a call must be on one device");
    check(grad[i], p, "grad");
    check(exp_avg[i], p, "exp_avg");
    check(exp_avg_sq[i], p, "exp_avg_sq");
    check(slow[i], p, "slow");
    if (p.numel() == 0) continue;
    PD_CHECK(rows[i] > 0 && p.numel() % rows[i] == 0,
             "ranger_step: rows must divide the number of elements");
    tensors.push_back({p.data<float>(), grad[i].data<float>(), exp_avg[i].data<float>(),
                       exp_avg_sq[i].data<float>(), slow[i].data<float>(), rows[i],
                       p.numel() / rows[i], step_size[i], decay[i], flags[i] & 3, flags[i] & 4,
                       flags[i] & 8});
  }
  const RangerConstants c{constants[0], constants[1], constants[2],
                          constants[3], constants[4], constants[5]};
  if (!param[0].is_gpu()) return ranger_cpu_step(tensors.data(), tensors.size(), c);
#ifdef RANGER_WITH_CUDA
  const char* error =
      ranger_cuda_step(tensors.data(), tensors.size(), c, reinterpret_cast<void*>(stream));
  PD_CHECK(error == nullptr, "ranger_step: CUDA says: ", error);
#else
  PD_CHECK(false, "ranger_step was compiled without CUDA");
#endif
}

PD_BUILD_OP(sam_ranger_step)
    .Inputs({paddle::Vec("Param"), paddle::Vec("Grad"), paddle::Vec("ExpAvg"),
             paddle::Vec("ExpAvgSq"), paddle::Vec("Slow")})
    .Outputs({paddle::Vec("ParamOut"), paddle::Vec("ExpAvgOut"), paddle::Vec("ExpAvgSqOut"),
              paddle::Vec("SlowOut")})
    .Attrs({"rows: std::vector<int64_t>", "flags: std::vector<int>",
            "step_size: std::vector<float>", "decay: std::vector<float>",
            "constants: std::vector<float>", "stream: int64_t"})
    .SetInplaceMap({{paddle::Vec("Param"), paddle::Vec("ParamOut")},
                    {paddle::Vec("ExpAvg"), paddle::Vec("ExpAvgOut")},
                    {paddle::Vec("ExpAvgSq"), paddle::Vec("ExpAvgSqOut")},
                    {paddle::Vec("Slow"), paddle::Vec("SlowOut")}})
    .SetKernelFn(PD_KERNEL(ranger_step));
