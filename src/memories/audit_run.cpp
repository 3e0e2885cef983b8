// audit_memories: regular expressions over triggers; dead and duplicate cells.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "base/files.h"
#include "base/layer_number.h"
#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/edit.h"
#include "emend/error.h"
#include "emend/memory_audit.h"
#include "emend/memory_index.h"
#include "emend/memory_view.h"
#include "memories/index_files.h"
#include "memories/index_text.h"
#include "text/regex.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

struct AuditExpression {
  std::string name;
  text::Regex regex;
};

std::vector<AuditExpression> read_expressions(const fs::path& file) {
  std::vector<AuditExpression> expressions;
  std::size_t number = 0;
  for (const std::string& raw : split_at(read_text_file(file), '\n')) {
    const std::string line(trim(raw));
    const std::string place = fmt::format("{}:{}", file.string(), ++number);
    if (line.empty() || line.front() == '#') continue;
    const std::size_t gap = line.find_first_of(" \t");
    const std::string expression(gap == std::string::npos ? "" : trim(line.substr(gap)));
    if (expression.empty())
      throw Error(ErrorKind::kFormat,
                  place + ": a line is a name, a blank and a regular expression, such as email \\w+@\\w+");
    expressions.push_back({line.substr(0, gap), text::Regex(expression, place)});
  }
  if (expressions.empty())
    throw Error(ErrorKind::kFormat, file.string() + ": the file holds no regular expression");
  return expressions;
}

// The match in an example that takes in its last token or the next one; empty: there is none.
std::string match_in(const MemoryExample& example, text::RegexMatcher& matcher) {
  const std::string subject = example.text + example.after;
  const std::size_t from = example.text.size() - std::min(example.token.size(), example.text.size());
  const std::size_t to = example.text.size() + example.next.size();
  for (const ByteSpan& span : matcher.find_all(subject))
    if (span.end > from && span.begin < to && span.end > span.begin)
      return subject.substr(span.begin, span.end - span.begin);
  return "";
}

class Audit {
 public:
  Audit(const Model* model, const AuditOptions& options, Progress& progress)
      : model_(model), options_(options), clock_(progress), index_(options.index) {
    if (model != nullptr) index_.require_of(*model);
    if (!options.patterns.empty()) expressions_ = read_expressions(options.patterns);
    for (const AuditExpression& one : expressions_) {
      outcome_.patterns.push_back({.name = one.name, .expression = one.regex.pattern(), .cells = {}});
      matchers_.push_back(std::make_unique<text::RegexMatcher>(one.regex));
    }
    layers_ = options.layers.empty() ? index_.head().layers : options.layers;
    for (const int layer : layers_) require_layer("audit", layer, index_.head().model_layers);
  }

  AuditOutcome run() {
    if (model_ != nullptr) outcome_.redundancy = Redundancy{};
    clock_.begin("reading cells", static_cast<std::int64_t>(layers_.size()) * index_.head().cells, "cells");
    for (const int layer : layers_)
      for (int cell = 0; cell < index_.head().cells; ++cell) {
        look_at(index_.cell({layer, cell}));
        if (++outcome_.cells % 64 == 0) clock_.update(outcome_.cells, "");
      }
    clock_.end();
    for (AuditedPattern& pattern : outcome_.patterns) finish(pattern);
    if (model_ != nullptr) {
      for (const int layer : layers_) add_duplicates(layer);
      measure_removal();
    }
    outcome_.seconds = clock_.seconds();
    return std::move(outcome_);
  }

 private:
  void look_at(const MemoryRecord& record) {
    if (record.dead && outcome_.redundancy) outcome_.redundancy->dead.push_back(record.id);
    for (const auto& [high, examples] : {std::pair(true, &record.high), {false, &record.low}})
      for (std::size_t p = 0; p < outcome_.patterns.size(); ++p)
        look_for(p, {.cell = record.id, .high = high, .example = {}, .source = {}}, *examples);
  }

  void look_for(std::size_t pattern, AuditedCell cell, const std::vector<MemoryExample>& examples) {
    double all = 0, hit = 0;
    for (const MemoryExample& example : examples) {
      const double size = std::abs(static_cast<double>(example.coefficient));
      all += size;
      ++cell.of;
      const std::string match = match_in(example, *matchers_[pattern]);
      if (match.empty()) continue;
      hit += size;
      if (cell.hits++ == 0) {
        cell.example = match;
        cell.source = example.source;
      }
    }
    if (cell.hits == 0) return;
    ++outcome_.patterns[pattern].matching;
    cell.precision = static_cast<double>(cell.hits) / cell.of;
    cell.score_share = all > 0 ? hit / all : 0;
    if (cell.precision >= options_.least)
      outcome_.patterns[pattern].cells.push_back(std::move(cell));
    else
      ++outcome_.patterns[pattern].below_least;
  }

  void finish(AuditedPattern& pattern) const {
    std::sort(pattern.cells.begin(), pattern.cells.end(), [](const AuditedCell& a, const AuditedCell& b) {
      return std::tuple(-a.precision, -a.score_share, a.cell, !a.high) <
             std::tuple(-b.precision, -b.score_share, b.cell, !b.high);
    });
    const auto limit = static_cast<std::size_t>(options_.cells);
    if (pattern.cells.size() > limit) pattern.cells.resize(limit);
  }

  void add_duplicates(int layer) {
    constexpr std::int64_t kRows = 1024;
    std::vector<DuplicateCells>& found = outcome_.redundancy->duplicates;
    const at::Tensor values = FfnView(*model_, layer).values(ValueSide::kArriving).to(at::kCPU);
    const at::Tensor rows = values / values.norm(2, 1, /*keepdim=*/true).clamp_min(1e-30);
    for (std::int64_t begin = 0; begin < rows.size(0); begin += kRows) {
      const std::int64_t count = std::min(kRows, rows.size(0) - begin);
      const at::Tensor cosines = at::matmul(rows.narrow(0, begin, count), rows.t());
      const at::Tensor pairs = (cosines > options_.duplicate).nonzero();
      for (std::int64_t i = 0; i < pairs.size(0); ++i) {
        const auto a = pairs[i][0].item<std::int64_t>(), b = pairs[i][1].item<std::int64_t>();
        if (a + begin >= b) continue;
        found.push_back({{layer, static_cast<int>(a + begin)},
                         {layer, static_cast<int>(b)},
                         std::min(1.0, cosines[a][b].item<double>())});
      }
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const DuplicateCells& x, const DuplicateCells& y) { return x.cosine > y.cosine; });
  }

  // Sum of -log p over the tokens of the first rows, and how many these are.
  std::pair<double, std::int64_t> nll_of(const Model& model) {
    const IndexText text(index_text_file(options_.index), index_.head().prefix.size());
    double sum = 0;
    std::int64_t tokens = 0;
    for (std::uint64_t address = 0; address < text.tokens() && tokens < options_.tokens;) {
      const IndexText::Row& row = *text.find(address)->row;
      address += row.length;
      PassInput input;
      input.ids.emplace_back();
      for (std::size_t j = 0; j < row.length; ++j)
        input.ids[0].push_back(text.id({&row, static_cast<std::int64_t>(j)}));
      const auto length = static_cast<std::int64_t>(row.length);
      for (std::int64_t j = 0; j + 1 < length; ++j) input.logit_tokens.push_back(j);
      if (input.logit_tokens.empty()) continue;
      const at::Tensor wanted = at::tensor(input.ids[0], at::kLong).narrow(0, 1, length - 1).unsqueeze(1);
      const at::Tensor logs =
          at::log_softmax(model.forward(std::move(input)).logits.to(at::kCPU, at::kDouble), 1);
      sum -= logs.gather(1, wanted).sum().item<double>();
      tokens += length - 1;
      clock_.update(tokens, "");
    }
    return {sum, tokens};
  }

  void measure_removal() {
    Redundancy& found = *outcome_.redundancy;
    clock_.begin("removing cells", options_.tokens, "tokens");
    const auto [sum, tokens] = nll_of(*model_);
    found.tokens = tokens;
    found.perplexity = perplexity_of(sum, tokens);
    found.without_dead = perplexity_without({found.dead.begin(), found.dead.end()}, found);
    std::set<MemoryId> repeats;
    for (const DuplicateCells& pair : found.duplicates) repeats.insert(pair.b);
    found.without_duplicates = perplexity_without(repeats, found);
    clock_.end();
  }

  static double perplexity_of(double nll, std::int64_t tokens) {
    return std::exp(nll / static_cast<double>(std::max<std::int64_t>(tokens, 1)));
  }

  // With the values of these cells zero.
  double perplexity_without(const std::set<MemoryId>& removed, const Redundancy& whole) {
    if (removed.empty()) return whole.perplexity;
    std::map<int, std::vector<int>> by_layer;
    for (const MemoryId& cell : removed) by_layer[cell.layer].push_back(cell.index);
    std::vector<WeightChange> changes;
    for (const auto& [layer, cells] : by_layer) {
      const FfnView view(*model_, layer);
      at::Tensor delta = at::zeros({model_->config().d_model, view.cells()});
      for (const int cell : cells) delta.select(1, cell).copy_(-view.value(cell));
      changes.push_back(WeightChange::dense({layer, Role::kMlpDown}, delta));
    }
    Model edited = model_->share();
    const ScopedEdit scope(edited, changes);
    return perplexity_of(nll_of(edited).first, whole.tokens);
  }

  const Model* model_;
  const AuditOptions& options_;
  StageClock clock_;
  MemoryIndex index_;
  std::vector<int> layers_;
  std::vector<AuditExpression> expressions_;
  std::vector<std::unique_ptr<text::RegexMatcher>> matchers_;
  AuditOutcome outcome_;
};

}  // namespace

AuditOutcome audit_memories(const Model* model, const AuditOptions& options, Progress& progress) {
  const c10::NoGradGuard no_gradients;
  const auto refuse = [](const char* option, const std::string& range, const std::string& found) {
    throw Error(ErrorKind::kUsage, fmt::format("the option {} must be {}, found {}", option, range, found));
  };
  if (!(options.least > 0 && options.least <= 1))
    refuse("least", "above 0 and at most 1", fmt::format("{}", options.least));
  if (!(options.duplicate > 0 && options.duplicate <= 1))
    refuse("duplicate", "above 0 and at most 1", fmt::format("{}", options.duplicate));
  if (options.cells < 1 || options.cells > 100'000)
    refuse("cells", "1 to 100000", std::to_string(options.cells));
  if (options.tokens < 1) refuse("tokens", "at least 1", std::to_string(options.tokens));
  if (options.patterns.empty() && model == nullptr)
    throw Error(ErrorKind::kUsage, "give the option patterns, a model, or both");
  return Audit(model, options, progress).run();
}

}  // namespace emend
