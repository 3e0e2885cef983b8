// What the tests of a GPU share.
#pragma once

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

#include "emend/error.h"
#include "emend/locate.h"
#include "emend/statistics_run.h"
#include "eval/metric.h"
#include "linalg/spd_factor.h"
#include "measure/answer_engine.h"
#include "model/device_graph.h"
#include "support/edit_world.h"
#include "support/eval_world.h"

namespace emend::test {

inline ModelOptions on_gpu(const std::string& dtype = "float32") {
  ModelOptions options;
  options.device = Placement::parse("cuda");
  options.dtype = parse_compute_type(dtype);
  return options;
}

inline Model load(const std::string& folder, const ModelOptions& options) {
  SilentProgress silent;
  return Model::load(data_path(folder), options, silent);
}

class Cuda : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no CUDA device";
  }
};

// Rows of several lengths behind a shared prefix, logits at every token.
inline at::Tensor logits_of_rows(const Model& model) {
  const c10::NoGradGuard no_grad;
  const std::int64_t vocab = std::min<std::int64_t>(model.config().vocab, 90);
  PassInput front;
  front.ids = {some_ids(5, vocab, 1), some_ids(3, vocab, 2)};
  KvCache cache(model.config(), 0, 2, 8, model.options());
  front.cache = &cache;
  front.append = true;
  model.forward(front);
  PassInput input;
  input.ids = {some_ids(4, vocab, 3), some_ids(7, vocab, 4), some_ids(1, vocab, 5)};
  input.cache = &cache;
  input.cache_row = {1, 0, -1};
  input.logit_tokens = counting(0, 12);
  return model.forward(input).logits.cpu();
}

}  // namespace emend::test
