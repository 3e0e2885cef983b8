#include "emend/kl.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/files.h"
#include "emend/error.h"
#include "emend/generate.h"
#include "io/logits_file.h"
#include "io/output_check.h"
#include "model/rows.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// Logits at many positions take more room than anything else.
constexpr std::int64_t kLogitPositions = 256;

KlBase base_of(const fs::path& file, const LogitsOutline& outline) {
  return {file, outline.context, outline.vocab, outline.chunks(), outline.chunks() * outline.positions()};
}

// A text as llama-perplexity cuts it: what the tokenizer puts in front of it counts as a token of the text.
std::vector<std::int32_t> ids_of_text(const Model& model, const fs::path& text, const TokenIds& prefix) {
  const TokenIds own = model.tokenizer().encode(read_text_file(text), SpecialTokens::kNone).ids;
  std::vector<std::int32_t> ids(prefix.begin(), prefix.end());
  ids.insert(ids.end(), own.begin(), own.end());
  return ids;
}

// What takes the place of each chunk's first token; none: the token stays.
TokenIds chunk_prefix(const Model& model, const KlOptions& options) {
  if (!model.has_tokenizer())
    throw Error(ErrorKind::kModel, "this model has no tokenizer, so that it is not known how a text begins");
  TokenIds prefix = resolve_bos(model.tokenizer(), options.bos);
  if (prefix.size() > 1)
    throw Error(ErrorKind::kConfig,
                fmt::format("the tokenizer puts {} tokens in front of a text; base files have room for one",
                            prefix.size()));
  return prefix;
}

void require_options(const KlOptions& options) {
  if (options.token_budget < 1) throw Error(ErrorKind::kUsage, "token budget must be at least 1");
}

void require_room(const Model& model, std::int64_t context) {
  if (context > model.config().max_positions)
    throw Error(ErrorKind::kModel, fmt::format("chunks of {} tokens are longer than the model's {} positions",
                                               context, model.config().max_positions));
}

void require_same_text(const Model& model, const LogitsFile& file, const fs::path& text,
                       const TokenIds& prefix) {
  const std::vector<std::int32_t> ids = ids_of_text(model, text, prefix);
  const std::vector<std::int32_t>& stored = file.outline().ids;
  const std::size_t common = std::min(ids.size(), stored.size());
  const auto at =
      std::mismatch(stored.begin(), stored.begin() + static_cast<std::ptrdiff_t>(common), ids.begin()).first;
  const std::ptrdiff_t token = at - stored.begin();
  if (token == static_cast<std::ptrdiff_t>(stored.size())) return;
  throw Error(ErrorKind::kConfig,
              fmt::format("{} is of another text than {}, or of another tokenizer: token {} of {} differs",
                          file.path().string(), text.string(), token, stored.size()));
}

void require_fit(const Model& model, const LogitsFile& file) {
  const LogitsOutline& outline = file.outline();
  if (outline.vocab != model.config().vocab)
    throw Error(ErrorKind::kModel,
                fmt::format("{} is of another vocabulary: it has {} tokens, {} has {}", file.path().string(),
                            outline.vocab, model.path().string(), model.config().vocab));
  require_room(model, outline.context);
}

// The model's logits at the positions of a text that base files tell of, some positions at a time.
class ChunkReader {
 public:
  ChunkReader(const Model& model, const LogitsOutline& outline, const TokenIds& prefix,
              std::int64_t token_budget)
      : model_(model),
        outline_(outline),
        prefix_(prefix),
        chunks_at_once_(std::max<std::int64_t>(1, token_budget / outline.context)) {}

  // `take(logits [n, V], chunk, position)`: of n positions from `position` (counted from the first one told).
  template <typename Take>
  void run(const std::string& stage, Progress& progress, Take take) const {
    progress.begin(stage, outline_.chunks(), "chunks");
    for (std::int64_t chunk = 0; chunk < outline_.chunks(); chunk += chunks_at_once_) {
      const std::int64_t end = std::min(chunk + chunks_at_once_, outline_.chunks());
      const PassInput upper = blocks(chunk, end);
      for (std::int64_t c = chunk; c < end; ++c) read_chunk(upper, c - chunk, c, take);
      progress.update(end, "");
    }
    progress.end();
  }

 private:
  // All blocks over chunks [begin, end): what is left is the head, over the positions that are named later.
  PassInput blocks(std::int64_t begin, std::int64_t end) const {
    PassInput input;
    for (std::int64_t c = begin; c < end; ++c) {
      const auto at = outline_.ids.begin() + static_cast<std::ptrdiff_t>(c * outline_.context);
      input.ids.emplace_back(at, at + static_cast<std::ptrdiff_t>(outline_.context));
      if (!prefix_.empty()) input.ids.back().front() = prefix_.front();
    }
    input.stop = PassInput::Stop::kBlock;
    input.stop_block = model_.config().layers - 1;
    at::Tensor hidden = model_.forward(input).hidden;
    input.begin_block = model_.config().layers;
    input.hidden = std::move(hidden);
    input.stop = PassInput::Stop::kLogits;
    return input;
  }
  template <typename Take>
  void read_chunk(PassInput input, std::int64_t row, std::int64_t chunk, Take& take) const {
    for (std::int64_t begin = 0; begin < outline_.positions(); begin += kLogitPositions) {
      const std::int64_t end = std::min(begin + kLogitPositions, outline_.positions());
      input.logit_tokens.clear();
      for (std::int64_t p = begin; p < end; ++p)
        input.logit_tokens.push_back(row * outline_.context + outline_.first() + p);
      take(model_.forward(input).logits, chunk, begin);
    }
  }

  const Model& model_;
  const LogitsOutline& outline_;
  const TokenIds& prefix_;
  std::int64_t chunks_at_once_;
};

// The tokens that the text has after n positions of a chunk, [n, 1].
at::Tensor next_ids(const LogitsOutline& outline, std::int64_t chunk, std::int64_t position, std::int64_t n) {
  at::Tensor next = at::empty({n, 1}, at::kLong);
  for (std::int64_t i = 0; i < n; ++i)
    next[i][0] =
        outline.ids[static_cast<std::size_t>(chunk * outline.context + outline.first() + position + i + 1)];
  return next;
}

at::Tensor stored_logprobs(const LogitsFile& file, std::int64_t chunk, std::int64_t position,
                           std::int64_t n) {
  const std::int64_t vocab = file.outline().vocab;
  at::Tensor base = at::empty({n, vocab}, at::kFloat);
  float* out = base.data_ptr<float>();
  for (std::int64_t i = 0; i < n; ++i)
    file.read(chunk, position + i, {out + i * vocab, static_cast<std::size_t>(vocab)});
  return base;
}

void require_finite(const at::Tensor& logits, std::int64_t chunk, std::int64_t position) {
  if (!logits.isfinite().all().item<bool>())
    throw Error(
        ErrorKind::kNumeric,
        fmt::format("chunk {}, from position {} of its second half: a logit is not finite", chunk, position));
}

// As llama.cpp: what the base gives less than exp(-16) adds nothing.
std::vector<KlPosition> compare(const at::Tensor& logits, const at::Tensor& base, const at::Tensor& next) {
  constexpr double kLeastLogprob = -16;
  const at::Tensor model = at::log_softmax(logits, 1);
  const at::Tensor terms =
      at::where(base > kLeastLogprob, base.exp() * (base - model), at::zeros({}, base.options()));
  const at::Tensor kl = terms.sum(1, false, at::kDouble).cpu();
  const at::Tensor nll = -model.gather(1, next).squeeze(1).to(at::kDouble).cpu();
  const at::Tensor nll_base = -base.gather(1, next).squeeze(1).to(at::kDouble).cpu();
  const at::Tensor same = model.argmax(1).eq(base.argmax(1)).cpu();
  std::vector<KlPosition> positions;
  for (std::int64_t i = 0; i < kl.size(0); ++i)
    positions.push_back(
        {kl[i].item<double>(), nll[i].item<double>(), nll_base[i].item<double>(), same[i].item<bool>()});
  return positions;
}

LogitsOutline outline_of(const Model& model, const KlWriteOptions& what, const TokenIds& prefix) {
  if (what.context < kLeastContext || what.context > kLargestContext || what.chunks < 0)
    throw Error(ErrorKind::kUsage, fmt::format("context must be from {} to {}, and chunks at least 1",
                                               kLeastContext, kLargestContext));
  require_room(model, what.context);
  LogitsOutline outline{what.context, model.config().vocab, ids_of_text(model, what.text, prefix)};
  const auto tokens = static_cast<std::int64_t>(outline.ids.size());
  if (tokens < 2 * what.context)
    throw Error(ErrorKind::kConfig, fmt::format("{}: {} tokens; chunks of {} need a text of at least {}",
                                                what.text.string(), tokens, what.context, 2 * what.context));
  const std::int64_t filled = tokens / what.context;
  const std::int64_t chunks = what.chunks > 0 ? std::min(what.chunks, filled) : filled;
  outline.ids.resize(static_cast<std::size_t>(chunks * what.context));
  return outline;
}

}  // namespace

KlBase read_kl_base(const fs::path& file) {
  return base_of(file, LogitsFile(file).outline());
}

KlFigures measure_kl(const Model& model, const fs::path& base, const KlOptions& options, Progress& progress) {
  require_options(options);
  const LogitsFile file(base);
  require_fit(model, file);
  const TokenIds prefix = chunk_prefix(model, options);
  if (!options.text.empty()) require_same_text(model, file, options.text, prefix);
  const c10::NoGradGuard no_grad;
  std::vector<KlPosition> positions;
  ChunkReader(model, file.outline(), prefix, options.token_budget)
      .run("reading the text", progress,
           [&](const at::Tensor& logits, std::int64_t chunk, std::int64_t position) {
             require_finite(logits, chunk, position);
             const std::int64_t n = logits.size(0);
             const auto some = compare(logits, stored_logprobs(file, chunk, position, n).to(logits.device()),
                                       next_ids(file.outline(), chunk, position, n).to(logits.device()));
             positions.insert(positions.end(), some.begin(), some.end());
           });
  return kl_figures(positions, file.outline().chunks());
}

KlWritten write_kl_base(const Model& model, const fs::path& file, const KlWriteOptions& what,
                        const KlOptions& options, Progress& progress) {
  require_options(options);
  require_not_among(file, {what.text, model.path()});
  const TokenIds prefix = chunk_prefix(model, options);
  const LogitsOutline outline = outline_of(model, what, prefix);
  const c10::NoGradGuard no_grad;
  LogitsWriter writer(file, outline);
  std::vector<KlPosition> positions;
  ChunkReader(model, outline, prefix, options.token_budget)
      .run("writing what the model says", progress,
           [&](const at::Tensor& logits, std::int64_t chunk, std::int64_t position) {
             require_finite(logits, chunk, position);
             const std::int64_t n = logits.size(0);
             const at::Tensor next = next_ids(outline, chunk, position, n).to(logits.device());
             const at::Tensor nll =
                 -at::log_softmax(logits, 1).gather(1, next).squeeze(1).to(at::kDouble).cpu();
             const at::Tensor rows = logits.cpu().contiguous();
             for (std::int64_t i = 0; i < n; ++i) {
               writer.add(
                   {rows.data_ptr<float>() + i * outline.vocab, static_cast<std::size_t>(outline.vocab)});
               positions.push_back({0, nll[i].item<double>(), nll[i].item<double>(), true});
             }
           });
  writer.commit();
  return {base_of(file, outline), kl_figures(positions, outline.chunks()).perplexity};
}

}  // namespace emend
