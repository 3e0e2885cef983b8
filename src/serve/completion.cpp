#include "serve/completion.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "emend/error.h"
#include "model/decode.h"
#include "model/rows.h"
#include "pipeline/continue_prompt.h"
#include "text/end_tokens.h"

namespace emend {
namespace {

// Where every token's logits are wanted, they take more room than anything else: fewer tokens a pass.
constexpr std::int64_t kLogitRows = 256;

// The tokens ids[i] at logits[i]. logits [n, V] float32.
std::vector<ReadToken> read_tokens(const at::Tensor& logits, const TokenIds& ids, std::int64_t top) {
  const at::Tensor logprobs = at::log_softmax(logits, 1);
  const at::Tensor own = logprobs.gather(1, index_tensor(ids, logits.device()).unsqueeze(1)).squeeze(1).cpu();
  const std::int64_t listed = std::min(top, logits.size(1));
  at::Tensor values, places;
  if (listed > 0) {
    std::tie(values, places) = logprobs.topk(listed, 1);
    values = values.cpu();
    places = places.cpu();
  }
  std::vector<ReadToken> tokens;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    ReadToken token{ids[i], own.const_data_ptr<float>()[i], {}};
    if (!std::isfinite(*token.logprob))
      throw Error(ErrorKind::kNumeric, fmt::format("the log-probability of token {} is not finite", ids[i]));
    for (std::int64_t k = 0; k < listed; ++k)
      token.top.push_back({places.const_data_ptr<std::int64_t>()[row * listed + k],
                           values.const_data_ptr<float>()[row * listed + k]});
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// Some rows of a request, through the model together.
class RowGroup {
 public:
  RowGroup(const Model& model, const CompletionRequest& request, const std::vector<Overlay>& overlays,
           RowRange rows, std::int64_t token_budget, const std::function<void()>& poll)
      : model_(model),
        request_(request),
        overlays_(overlays),
        first_(rows.begin),
        slice_(scores_prompts() ? std::min(kLogitRows, token_budget) : token_budget),
        poll_(poll) {
    std::int64_t longest_row = 0;
    for (std::size_t r = rows.begin; r < rows.end; ++r) {
      completions_.emplace_back().prompt = r / static_cast<std::size_t>(request.n);
      longest_row = std::max(longest_row, static_cast<std::int64_t>(ids(r - first_).size()));
    }
    cache_ = KvCache(model.config(), 0, static_cast<std::int64_t>(completions_.size()),
                     longest_row + std::max<std::int64_t>(request.max_tokens - 1, 0), model.options());
  }

  std::vector<Completion> run() {
    read_prompts();
    if (request_.max_tokens > 0) draw();
    return std::move(completions_);
  }

 private:
  bool scores_prompts() const { return request_.echo && request_.logprobs; }
  const TokenIds& ids(std::size_t row) const { return request_.prompts[completions_[row].prompt].ids; }

  // The prompts, as many of their tokens in a pass as may be; each row's last logits are kept.
  void read_prompts() {
    std::vector<std::size_t> read(completions_.size(), 0);
    if (scores_prompts())
      for (std::size_t r = 0; r < completions_.size(); ++r)
        completions_[r].before.push_back({ids(r).front(), std::nullopt, {}});
    std::size_t first = 0;  // the first row that is not read yet
    while (first < completions_.size()) {
      PassInput input;
      input.cache = &cache_;
      input.append = true;
      input.overlays = overlays_.for_rows({});
      std::vector<Wanted> wanted;
      std::int64_t room = slice_;
      std::int64_t packed = 0;
      for (std::size_t r = first; r < completions_.size() && room > 0; ++r) {
        const std::size_t end = std::min(ids(r).size(), read[r] + static_cast<std::size_t>(room));
        input.ids.emplace_back(ids(r).begin() + static_cast<std::ptrdiff_t>(read[r]),
                               ids(r).begin() + static_cast<std::ptrdiff_t>(end));
        input.cache_row.push_back(static_cast<std::int64_t>(r));
        for (std::size_t t = read[r]; t < end; ++t, ++packed) {
          const bool is_last = t + 1 == ids(r).size();
          if (!is_last && !scores_prompts()) continue;
          input.logit_tokens.push_back(packed);
          wanted.push_back({r, is_last ? -1 : ids(r)[t + 1]});
        }
        room -= static_cast<std::int64_t>(end - read[r]);
        read[r] = end;
        if (end == ids(r).size()) first = r + 1;
      }
      poll_();
      const at::Tensor logits = model_.forward(input).logits;
      if (!wanted.empty()) keep(wanted, logits);
    }
  }

  // Whose logits a pass gives: before which token of the prompt, or behind its last one (-1).
  struct Wanted {
    std::size_t row;
    std::int64_t next;
  };

  void keep(const std::vector<Wanted>& wanted, const at::Tensor& logits) {
    TokenIds next, places;
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto place = static_cast<std::int64_t>(i);
      if (wanted[i].next < 0) {
        last_logits_.push_back(logits.narrow(0, place, 1).clone());
        continue;
      }
      places.push_back(place);
      next.push_back(wanted[i].next);
      rows.push_back(wanted[i].row);
    }
    if (next.empty()) return;
    const bool all = next.size() == wanted.size();
    std::vector<ReadToken> tokens =
        read_tokens(all ? logits : logits.index_select(0, index_tensor(places, logits.device())), next,
                    *request_.logprobs);
    for (std::size_t i = 0; i < tokens.size(); ++i)
      completions_[rows[i]].before.push_back(std::move(tokens[i]));
  }

  void draw() {
    const auto at_once = static_cast<std::int64_t>(completions_.size());
    std::vector<DecodeRow> rows;
    for (std::int64_t r = 0; r < at_once; ++r)
      rows.push_back({r, 0, request_.max_tokens, first_ + static_cast<std::uint64_t>(r)});
    const std::vector<std::int64_t> ends = end_tokens(model_.tokenizer());
    std::vector<TokenIds> texts(completions_.size());  // without ending tokens
    const auto watch = [&](const std::vector<std::size_t>& alive, const at::Tensor& logits,
                           const TokenIds& drawn) {
      poll_();
      std::vector<ReadToken> tokens;
      if (request_.logprobs) tokens = read_tokens(logits, drawn, *request_.logprobs);
      std::vector<bool> enough(alive.size(), false);
      for (std::size_t a = 0; a < alive.size(); ++a) {
        Completion& row = completions_[alive[a]];
        row.drawn.push_back(request_.logprobs ? std::move(tokens[a]) : ReadToken{drawn[a], std::nullopt, {}});
        row.ended = std::find(ends.begin(), ends.end(), drawn[a]) != ends.end();
        if (row.ended) continue;
        texts[alive[a]].push_back(drawn[a]);
        if (!request_.stop.empty()) enough[a] = row.ended = stops(texts[alive[a]], row.text);
      }
      return enough;
    };
    decode(model_, cache_, at::cat(last_logits_), rows, {request_.temperature, 0, request_.seed}, ends,
           overlays_, nullptr, nullptr, watch);
    for (std::size_t r = 0; r < completions_.size(); ++r)
      if (request_.stop.empty()) completions_[r].text = completion_text(model_.tokenizer(), texts[r]);
  }

  // Whether one of the stops is in the text of the ids, which is cut there.
  bool stops(const TokenIds& drawn, std::string& text) const {
    text = completion_text(model_.tokenizer(), drawn);
    std::size_t cut = text.size();
    for (const std::string& stop : request_.stop) cut = std::min(cut, text.find(stop));
    const bool found = cut < text.size();
    text.resize(cut);
    return found;
  }

  const Model& model_;
  const CompletionRequest& request_;
  RowOverlays overlays_;
  std::size_t first_;
  std::int64_t slice_;  // tokens of a pass over prompts
  const std::function<void()>& poll_;
  std::vector<Completion> completions_;
  KvCache cache_;
  std::vector<at::Tensor> last_logits_;  // [1, V] of each row
};

}  // namespace

std::vector<RowRange> cache_groups(const std::vector<std::int64_t>& lengths, std::int64_t budget) {
  std::vector<RowRange> groups;
  std::int64_t longest = 0;
  for (std::size_t r = 0; r < lengths.size(); ++r) {
    longest = std::max(longest, lengths[r]);
    const bool fits =
        !groups.empty() && static_cast<std::int64_t>(r + 1 - groups.back().begin) * longest <= budget;
    if (!fits) {
      groups.push_back({r, r});
      longest = lengths[r];
    }
    groups.back().end = r + 1;
  }
  return groups;
}

std::vector<Completion> complete(const Model& model, const CompletionRequest& request,
                                 const std::vector<Overlay>& overlays, std::int64_t token_budget,
                                 const std::function<void()>& poll) {
  const c10::NoGradGuard no_grad;
  std::vector<std::int64_t> lengths;
  for (const CompletionPrompt& prompt : request.prompts)
    lengths.insert(lengths.end(), static_cast<std::size_t>(request.n),
                   static_cast<std::int64_t>(prompt.ids.size()) + request.max_tokens);
  std::vector<Completion> all;
  for (const RowRange rows : cache_groups(lengths, token_budget))
    for (Completion& one : RowGroup(model, request, overlays, rows, token_budget, poll).run())
      all.push_back(std::move(one));
  return all;
}

}  // namespace emend
