// Text and what is inside a pass over it: generate, tokens, logits, hidden vectors.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <numeric>

#include "base/layer_number.h"
#include "base/strings.h"
#include "bindings/python/options.h"
#include "bindings/python/progress.h"
#include "bindings/python/report.h"
#include "bindings/python/session.h"
#include "bindings/python/tensors.h"
#include "bindings/python/token_budget.h"
#include "emend/error.h"
#include "emend/generate_run.h"
#include "pipeline/continue_prompt.h"

namespace emend::python {
namespace {

PromptOptions prompt_options(Options& options, const Session& session) {
  PromptOptions how;
  options.take("bos", how.bos);
  options.take("form", how.form);
  options.take("max_new", how.max_new);
  options.take("temperature", how.temperature);
  options.take("seed", how.seed);
  options.take("top", how.top);
  how.token_budget = take_token_budget(options, session);
  options.require_all_taken();
  return how;
}

Report generate(Session& session, const std::string& prompt, const nb::dict& given, nb::object progress) {
  Options options(given);
  PromptOptions how = prompt_options(options, session);
  PythonProgress watcher(std::move(progress));
  how.progress = &watcher;
  const ReadingTurn turn(session);
  const PromptOutcome outcome = run_prompt(session.model, prompt, how);
  return {to_json(outcome, prompt), full_report(outcome, prompt, how.form), brief_report(outcome), {}};
}

// The ids of a prompt as `generate` sees it.
std::vector<std::int64_t> encode(Session& session, const std::string& prompt, const nb::dict& given) {
  Options options(given);
  PromptOptions how;
  options.take("bos", how.bos);
  options.take("form", how.form);
  options.require_all_taken();
  const ReadingTurn turn(session);
  return prompt_tokens(session.model, prompt, how);
}

nb::list pieces(Session& session, const std::vector<std::int64_t>& ids) {
  nb::list texts;
  for (const std::int64_t id : ids) texts.append(to_str(token_text(session.model.tokenizer(), id)));
  return texts;
}

void require_ids(const Model& model, const std::vector<std::int64_t>& ids) {
  if (ids.empty()) throw Error(ErrorKind::kUsage, "a row of tokens must have at least one id");
  for (const std::int64_t id : ids)
    if (id < 0 || id >= model.config().vocab)
      throw Error(ErrorKind::kUsage, fmt::format("there is no token {}: the model has ids from 0 to {}", id,
                                                 model.config().vocab - 1));
}

// Of every token: [T, V] float32.
nb::object logits(Session& session, const std::vector<std::int64_t>& ids) {
  require_ids(session.model, ids);
  at::Tensor logits;
  {
    const ReadingTurn turn(session);
    PassInput input;
    input.ids = {ids};
    input.logit_tokens.resize(ids.size());
    std::iota(input.logit_tokens.begin(), input.logit_tokens.end(), 0);
    logits = session.model.forward(input).logits;
  }
  return to_python(logits);
}

const std::map<std::string, Site>& sites() {
  static const std::map<std::string, Site> table = {{"embedding", Site::kEmbedding},
                                                    {"token_embedding", Site::kTokenEmbedding},
                                                    {"attn_output", Site::kAttentionOutput},
                                                    {"key", Site::kKey},
                                                    {"mlp_output", Site::kMlpOutput},
                                                    {"block_output", Site::kBlockOutput},
                                                    {"gate", Site::kGate},
                                                    {"up", Site::kUp}};
  return table;
}

Site site_of(const std::string& name) {
  const auto found = sites().find(name);
  if (found != sites().end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, site] : sites()) names.push_back(known);
  throw Error(ErrorKind::kUsage, fmt::format("there is no site {}; known: {}", quote(name), join(names)));
}

// The vectors at a site of each of these layers: [T, D], or [T, F] for key, gate and up.
nb::list hidden(Session& session, const std::vector<std::int64_t>& ids, const std::string& site,
                const std::vector<int>& layers) {
  require_ids(session.model, ids);
  PassInput input;
  input.ids = {ids};
  for (const int layer : layers) {
    require_layer("layers", layer, session.model.config().layers);
    input.recordings.push_back({site_of(site), layer, {}});
    input.stop_block = std::max(input.stop_block, layer);
  }
  input.stop = PassInput::Stop::kBlock;
  std::vector<at::Tensor> recorded;
  {
    const ReadingTurn turn(session);
    recorded = session.model.forward(input).recorded;
  }
  nb::list vectors;
  for (const at::Tensor& tensor : recorded) vectors.append(to_python(tensor));
  return vectors;
}

}  // namespace

void bind_text_calls(ModelClass& model) {
  model.def("generate", generate, nb::arg("prompt"), nb::arg("options"), nb::arg("progress").none())
      .def("encode", encode, nb::arg("prompt"), nb::arg("options"))
      .def("pieces", pieces, nb::arg("ids"))
      .def("logits", logits, nb::arg("ids"))
      .def("hidden", hidden, nb::arg("ids"), nb::arg("site"), nb::arg("layers"));
}

}  // namespace emend::python
