#include "measure/subject_names.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>

#include "base/strings.h"
#include "base/utf8.h"
#include "model/batches.h"
#include "model/rows.h"

namespace emend {
namespace {

constexpr std::size_t kMostWords = 5;
constexpr std::string_view kThe = "the ";
constexpr std::string_view kEnds = ".,;:!?\n";  // of a name with nothing behind it
constexpr std::string_view kNotInNames = ".;:!?\n\t\"()";

// Where the name at the beginning of `text` ends; npos: not yet.
std::size_t end_of_name(const std::string& text, const std::string& back) {
  return back.empty() ? text.find_first_of(kEnds) : text.find(back.substr(0, back.find(' ', 1)));
}

bool can_be_name(std::string_view text) {
  return text.find_first_of(kNotInNames) == std::string_view::npos &&
         split_at(std::string(trim(text)), ' ').size() <= kMostWords;
}

// A beginning that is being continued.
struct OpenName {
  std::size_t place = 0;
  std::string text;  // bytes so far
  std::int64_t cache_row = 0;
  std::int64_t next = 0;  // the token to run
  std::string name = {};  // once it has ended
};

// Those of one place, its likeliest first tokens, without those that no wanted name begins with.
class Beginnings {
 public:
  Beginnings(const Model& model, const NameSearch& search) : model_(model), search_(search) {}

  std::vector<OpenName> of(const NamePlace& place, std::size_t number, const at::Tensor& logits) const {
    std::vector<OpenName> open;
    for (const std::int64_t id : likeliest(logits)) {
      const std::string text = model_.tokenizer().token_bytes(id);
      if (trim(text).empty() || replace_invalid_utf8(text) != text || !can_be_name(text)) continue;
      if (!is_wanted(text, place)) continue;
      open.push_back({number, text, 0, id});
    }
    return open;
  }

 private:
  // Likeliest first; ties: the lower id.
  std::vector<std::int64_t> likeliest(const at::Tensor& logits) const {
    const auto [values, ids] = logits.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true);
    const at::Tensor first = ids.narrow(0, 0, std::min(search_.begins, ids.size(0))).contiguous();
    const auto* const data = first.const_data_ptr<std::int64_t>();
    return {data, data + first.size(0)};
  }
  static bool is_wanted(const std::string& text, const NamePlace& place) {
    const std::string begin(trim(text));
    if (begin + " " == kThe) return true;  // what follows decides
    return std::ranges::find(place.beginnings, beginning_of(begin)) != place.beginnings.end();
  }

  const Model& model_;
  const NameSearch& search_;
};

// The fronts of some places, their keys and values, and the beginnings that are continued behind them.
class NameBatch {
 public:
  NameBatch(const Model& model, const std::vector<NamePlace>& places, RowRange range,
            const NameSearch& search)
      : model_(model), places_(places), search_(search) {
    run_fronts(range);
  }

  // The names by place, in the order of their beginnings.
  void find(std::vector<std::vector<std::string>>& names) {
    std::vector<std::size_t> alive(open_.size());
    for (std::size_t i = 0; i < alive.size(); ++i) alive[i] = i;
    for (std::int64_t column = 0; column < search_.name_tokens && !alive.empty(); ++column)
      alive = step(alive);
    std::set<std::pair<std::size_t, std::string>> known;
    for (const OpenName& one : open_)
      if (!one.name.empty() && known.emplace(one.place, one.name).second)
        names[one.place].push_back(one.name);
  }

 private:
  void run_fronts(RowRange range) {
    PassInput input;
    for (std::size_t p = range.begin; p < range.end; ++p) input.ids.push_back(places_[p].front);
    KvCache fronts(model_.config(), 0, static_cast<std::int64_t>(input.ids.size()), longest(input.ids),
                   model_.options());
    input.cache = &fronts;
    input.append = true;
    input.logit_tokens = last_tokens(input.ids);
    input.logits_only = true;
    const at::Tensor logits = model_.forward(input).logits.to(at::kCPU);
    const Beginnings beginnings(model_, search_);
    std::vector<std::int64_t> rows;
    for (std::size_t p = range.begin; p < range.end; ++p) {
      const auto row = static_cast<std::int64_t>(p - range.begin);
      for (OpenName& one : beginnings.of(places_[p], p, logits[row])) {
        one.cache_row = static_cast<std::int64_t>(open_.size());
        rows.push_back(row);
        open_.push_back(std::move(one));
      }
    }
    if (rows.empty()) return;
    cache_ = fronts.select(rows, 0, fronts.capacity());
    cache_.reserve(fronts.capacity() + search_.name_tokens);
  }

  // One token of each; those that are still open afterwards.
  std::vector<std::size_t> step(const std::vector<std::size_t>& alive) {
    PassInput input;
    input.cache = &cache_;
    input.append = true;
    input.logits_only = true;
    for (const std::size_t i : alive) {
      input.logit_tokens.push_back(static_cast<std::int64_t>(input.ids.size()));
      input.ids.push_back({open_[i].next});
      input.cache_row.push_back(open_[i].cache_row);
    }
    const at::Tensor best = model_.forward(input).logits.argmax(1).to(at::kCPU);
    std::vector<std::size_t> growing;
    for (std::size_t a = 0; a < alive.size(); ++a) {
      OpenName& one = open_[alive[a]];
      one.next = best.const_data_ptr<std::int64_t>()[a];
      if (grow(one)) growing.push_back(alive[a]);
    }
    return growing;
  }

  // Adds the next token's text; whether the name may go on.
  bool grow(OpenName& one) const {
    const NamePlace& place = places_[one.place];
    if (model_.tokenizer().is_special(one.next)) return false;
    one.text += model_.tokenizer().token_bytes(one.next);
    const std::size_t end = end_of_name(one.text, place.back);
    if (end == std::string::npos) return can_be_name(one.text);
    const std::string name(trim(one.text.substr(0, end)));
    const bool whole = replace_invalid_utf8(name) == name && can_be_name(name);
    if (whole && !name.empty() &&
        std::ranges::find(place.beginnings, beginning_of(name)) != place.beginnings.end())
      one.name = name;
    return false;
  }

  const Model& model_;
  const std::vector<NamePlace>& places_;
  const NameSearch& search_;
  std::vector<OpenName> open_;
  KvCache cache_;  // one row for each of them
};

}  // namespace

NameBeginning beginning_of(std::string_view name) {
  if (name.starts_with(kThe)) name.remove_prefix(kThe.size());
  const auto first = static_cast<unsigned char>(name.empty() ? ' ' : name.front());
  if (first >= 0x80 || std::isupper(first) != 0) return NameBeginning::kCapital;
  return std::isdigit(first) != 0 ? NameBeginning::kDigit : NameBeginning::kOther;
}

std::vector<std::vector<std::string>> names_in_places(const Model& model,
                                                      const std::vector<NamePlace>& places,
                                                      const NameSearch& search) {
  const c10::NoGradGuard no_grad;
  std::vector<std::vector<std::string>> names(places.size());
  // Behind a front that leaves the model no room, nothing is named.
  const std::int64_t longest = model.config().max_positions - search.name_tokens - 1;
  std::vector<NamePlace> fitting;
  std::vector<std::size_t> number;  // in `places`
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto front = static_cast<std::int64_t>(places[i].front.size());
    if (front > longest) continue;
    fitting.push_back(places[i]);
    number.push_back(i);
    sizes.push_back(search.begins * (front + search.name_tokens));
  }
  std::vector<std::vector<std::string>> found(fitting.size());
  for (const RowRange range : split_by_size(sizes, search.token_budget))
    NameBatch(model, fitting, range, search).find(found);
  for (std::size_t i = 0; i < fitting.size(); ++i) names[number[i]] = std::move(found[i]);
  return names;
}

}  // namespace emend
