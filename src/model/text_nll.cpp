#include "model/text_nll.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "emend/error.h"
#include "model/batches.h"
#include "model/rows.h"

namespace emend {

namespace {

// Where every token's logits are wanted, they take more room than anything else: fewer tokens a pass.
constexpr std::int64_t kLogitRows = 256;

}  // namespace

std::int64_t TextNll::Part::tokens() const {
  std::int64_t tokens = 0;
  for (const TokenIds& row : ids) tokens += static_cast<std::int64_t>(row.size());
  return tokens;
}

std::vector<TextNll::Part> TextNll::lay_out(const std::vector<TokenIds>& texts, std::int64_t token_budget) {
  std::vector<Part> parts;
  for (const RowRange range : split_by_tokens(texts, std::min(token_budget, kLogitRows))) {
    Part part;
    std::int64_t at = 0;
    for (std::size_t row = range.begin; row < range.end; ++row) {
      part.ids.push_back(texts[row]);
      for (std::size_t j = 0; j + 1 < texts[row].size(); ++j) {
        part.logit_tokens.push_back(at + static_cast<std::int64_t>(j));
        part.next.push_back(texts[row][j + 1]);
      }
      at += static_cast<std::int64_t>(texts[row].size());
    }
    if (!part.next.empty()) parts.push_back(std::move(part));
  }
  return parts;
}

TextNll::TextNll(const Model& model, const std::vector<TokenIds>& texts, int first_block,
                 std::int64_t token_budget)
    : model_(model), first_block_(0), parts_(lay_out(texts, token_budget)) {
  move_to(first_block);
}

void TextNll::move_to(int block) {
  if (block == first_block_) return;
  const c10::NoGradGuard no_grad;
  for (Part& part : parts_) {
    PassInput lower;
    lower.ids = part.ids;
    lower.stop = PassInput::Stop::kBlock;
    lower.stop_block = block - 1;
    if (part.hidden.defined()) {
      lower.begin_block = first_block_;
      lower.hidden = part.hidden;
    }
    part.hidden = model_.forward(lower).hidden;
  }
  first_block_ = block;
}

TextNll::TextNll(const Model& model, const std::vector<TokenIds>& texts, int first_block,
                 std::int64_t token_budget, const at::Tensor& hidden)
    : model_(model), first_block_(first_block), parts_(lay_out(texts, token_budget)) {
  if (first_block == 0) return;
  const bool fits = hidden.defined() && hidden.dim() == 2 && hidden.size(0) == tokens() &&
                    hidden.size(1) == model.config().d_model;
  if (!fits)
    throw Error(ErrorKind::kConfig, fmt::format("the residual stream of {} tokens must be {} x {}", tokens(),
                                                tokens(), model.config().d_model));
  const at::Tensor own = hidden.to(model.options());
  std::int64_t at = 0;
  for (Part& part : parts_) {
    part.hidden = own.narrow(0, at, part.tokens());
    at += part.tokens();
  }
}

double TextNll::mean(const std::vector<Overlay>& overlays) const {
  const c10::NoGradGuard no_grad;
  double total = 0;
  std::int64_t count = 0;
  for (const Part& part : parts_) {
    PassInput input;
    input.ids = part.ids;
    input.overlays = overlays;
    input.logit_tokens = part.logit_tokens;
    if (part.hidden.defined()) {
      input.begin_block = first_block_;
      input.hidden = part.hidden;
    }
    const at::Tensor logits = model_.forward(input).logits;
    for (const double nll : token_nll(logits, part.next)) total += nll;
    count += static_cast<std::int64_t>(part.next.size());
  }
  return count ? total / static_cast<double>(count) : 0;
}

at::Tensor TextNll::hidden() const {
  std::vector<at::Tensor> parts;
  for (const Part& part : parts_)
    if (part.hidden.defined()) parts.push_back(part.hidden);
  return parts.empty() ? at::Tensor() : at::cat(parts, 0);
}

std::int64_t TextNll::tokens_of(const std::vector<Part>& parts) {
  std::int64_t tokens = 0;
  for (const Part& part : parts) tokens += part.tokens();
  return tokens;
}

std::int64_t TextNll::tokens() const {
  return tokens_of(parts_);
}

std::int64_t TextNll::tokens_of(const std::vector<TokenIds>& texts, std::int64_t token_budget) {
  return tokens_of(lay_out(texts, token_budget));
}

}  // namespace emend
