#include "editors/rome/protected_keys.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"
#include "linalg/bounded_answers.h"

namespace emend::editors {

namespace {

constexpr double kOneAndTheSame = 1 - 1e-4;  // cosine of two protected keys

// Exact answers at up to this share of the elements; beyond it each key may be missed by kSlack.
constexpr double kExactShare = 1.0 / 8;
constexpr double kSlack = 0.05;

// The keys of texts up to the token that is protected, each text once: one pass for all groups.
class TextKeys {
 public:
  explicit TextKeys(const ProtectionInput& input) : input_(input) {}

  // Asks for the key at the last token of the text's subject. Throws as bare_row does.
  TokenIds ask(const ProtectedText& text) {
    EditRequest about;
    about.id = text.name;
    about.prompt = text.prompt;
    about.subject = text.subject;
    about.subject_begin = text.subject_begin;
    const PromptRow row = bare_row(input_.model.tokenizer(), about, input_.rows.form());
    TokenIds ids(row.ids.begin(), row.ids.begin() + static_cast<std::ptrdiff_t>(row.lookup) + 1);
    if (place_.emplace(ids, rows_.size()).second) rows_.push_back(input_.rows.behind_prefix(ids));
    return ids;
  }
  void read() {
    if (!rows_.empty()) keys_ = input_.trace.last_keys(rows_).back().to(at::kCPU, at::kDouble);
  }
  at::Tensor key(const TokenIds& ids) const {
    return keys_[static_cast<std::int64_t>(place_.at(ids))];  // [F]
  }

 private:
  const ProtectionInput& input_;
  std::map<TokenIds, std::size_t> place_;
  std::vector<TraceRow> rows_;
  at::Tensor keys_;
};

// Texts of one key that could be protected, one for each request of the group that has one.
struct Candidate {
  std::vector<TextOf> texts;  // messages name the first one
  bool given;
  at::Tensor key;       // [F]
  double response = 0;  // of the group's response without protection
};

// The key of a prompt about something else: that of the token which `a` answers most.
at::Tensor loudest_key(const ProtectionInput& input, const ProtectedText& text, const at::Tensor& a) {
  const TokenIds ids = prompt_ids(input.model.tokenizer(), text.prompt, input.rows.form());
  const at::Tensor keys =
      input.trace.own_keys({input.rows.behind_prefix(ids)}).back().front().to(at::kCPU, at::kDouble);
  return keys[at::matmul(keys, a).abs().argmax().item<std::int64_t>()].clone();
}

// Given texts first, in their order, then the candidates that are answered most.
void choose(std::vector<Candidate>& candidates, const Protection& protection) {
  const auto found = std::stable_partition(candidates.begin(), candidates.end(),
                                           [](const Candidate& candidate) { return candidate.given; });
  std::stable_sort(found, candidates.end(), [](const Candidate& one, const Candidate& other) {
    return std::abs(one.response) > std::abs(other.response);
  });
  const auto given = static_cast<std::size_t>(found - candidates.begin());
  candidates.resize(std::min(candidates.size(), given + protection.most_found));
  while (candidates.size() > given && std::abs(candidates.back().response) < protection.least_response)
    candidates.pop_back();
}

std::string too_near(const ProtectedKey& key, const std::string& ids) {
  return fmt::format(
      "edit {}: the key of {} is nearly its own (cosine {:.3f}): protecting it would make the update {:.1f} "
      "times as large",
      ids, quote(key.subject, 60), key.cosine, key.norm);
}

// The keys of one group and those that could be protected from it, solved under C once: cosines and norms of
// responses to any of them are then a matter of small matrices.
class SolvedKeys {
 public:
  SolvedKeys(const KeyMetric& metric, const KeyConstraint& own, const std::vector<Candidate>& candidates)
      : y_(own.y) {
    std::vector<at::Tensor> side = {own.K};
    for (const Candidate& candidate : candidates) side.push_back(candidate.key.unsqueeze(1));
    const at::Tensor K = at::cat(side, 1), solved = metric.solve(K);
    gram_ = at::matmul(K.t(), solved).cpu();
    lengths_ = at::matmul(solved.t(), solved).cpu();
    const at::Tensor scale = gram_.diagonal().rsqrt().unsqueeze(1);
    cosines_ = gram_ * scale * scale.t();
  }

  std::int64_t own() const { return y_.size(0); }
  // Of the group's own keys, then these.
  at::Tensor gram_with(const std::vector<std::int64_t>& keys) const {
    std::vector<std::int64_t> all(static_cast<std::size_t>(own()));
    std::iota(all.begin(), all.end(), 0);
    all.insert(all.end(), keys.begin(), keys.end());
    const at::Tensor at = at::tensor(all, at::kLong);
    return gram_.index_select(0, at).index_select(1, at);
  }
  double cosine(std::int64_t i, std::int64_t j) const {
    return std::abs(cosines_.const_data_ptr<double>()[i * cosines_.size(1) + j]);
  }
  // ||a|| of the response to the group's own keys, with this key alone protected (-1: none). Infinite if it
  // is one of the keys that are held.
  double norm_with(std::int64_t key) const {
    std::vector<std::int64_t> held(static_cast<std::size_t>(own()));
    std::iota(held.begin(), held.end(), 0);
    at::Tensor y = y_;
    if (key >= 0) {
      held.push_back(key);
      y = at::cat({y_, at::zeros({1}, at::kDouble)});
    }
    const at::Tensor at = at::tensor(held, at::kLong);
    const auto of = [&](const at::Tensor& matrix) { return matrix.index_select(0, at).index_select(1, at); };
    const at::Tensor scale = of(gram_).diagonal().rsqrt();
    const auto [lower, status] = at::linalg_cholesky_ex(of(cosines_));
    if (status.item<int>() != 0) return std::numeric_limits<double>::infinity();
    const at::Tensor c =
        scale * at::cholesky_solve((scale * y).unsqueeze(1), lower, /*upper=*/false).squeeze(1);
    return std::sqrt(at::dot(c, at::mv(of(lengths_), c)).item<double>());
  }

 private:
  at::Tensor y_;                         // of the group's own keys
  at::Tensor gram_, lengths_, cosines_;  // K^T C^-1 K, |C^-1 K|^2, and the first to unit diagonal
};

// The keys of one group out of its candidates, in order.
class GroupProtection {
 public:
  GroupProtection(const ProtectionInput& input, const KeyConstraint& own, std::string ids)
      : input_(input), own_(own), ids_(std::move(ids)) {}

  ProtectableKeys choose(const std::vector<Candidate>& candidates) {
    if (candidates.empty()) return {};
    const SolvedKeys keys(input_.metric, own_, candidates);
    const double norm = keys.norm_with(-1);
    const at::Tensor y = own_.y.contiguous();
    std::vector<std::int64_t> held;
    std::vector<at::Tensor> columns;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const std::int64_t at = keys.own() + static_cast<std::int64_t>(i);
      const std::vector<TextOf>& texts = candidates[i].texts;
      ProtectedKey told;
      told.subject = texts.front().text->name;
      told.response = candidates[i].response;
      for (std::int64_t own = 0; own < keys.own(); ++own)
        if (y.const_data_ptr<double>()[own] != 0) told.cosine = std::max(told.cosine, keys.cosine(own, at));
      told.norm = keys.norm_with(at) / norm;
      if (told.cosine > input_.protection.largest_cosine || !std::isfinite(told.norm)) {
        leave_out(told, candidates[i].given);
        continue;
      }
      const auto same = [&](std::int64_t other) { return keys.cosine(other, at) > kOneAndTheSame; };
      if (const auto twin = std::ranges::find_if(held, same); twin != held.end()) {  // it is held already
        std::vector<TextOf>& its = chosen_.texts[static_cast<std::size_t>(twin - held.begin())];
        its.insert(its.end(), texts.begin(), texts.end());
        continue;
      }
      held.push_back(at);
      columns.push_back(candidates[i].key);
      chosen_.texts.push_back(texts);
      chosen_.told.push_back(std::move(told));
    }
    if (!columns.empty()) {
      chosen_.K = at::stack(columns, 1);
      chosen_.gram = keys.gram_with(held);
      chosen_.y = y;
    }
    if (!near_.empty()) chosen_.warnings.push_back(left_out_text());
    return std::move(chosen_);
  }

 private:
  // What nobody asked for is left out without a word.
  void leave_out(const ProtectedKey& told, bool given) {
    if (given && input_.protection.strict)
      throw Error(
          ErrorKind::kConfig,
          too_near(told, ids_) + "; take it out of `bleed` and `neighbours`, or choose another layer");
    if (given || input_.protection.strict) near_.push_back(told);
  }
  std::string left_out_text() const {
    std::vector<std::string> others;
    for (std::size_t i = 1; i < near_.size(); ++i) others.push_back(quote(near_[i].subject, 60));
    return too_near(near_.front(), ids_) + "; it is not protected" +
           (others.empty() ? "" : ", nor is what is as near: " + join(others));
  }

  const ProtectionInput& input_;
  const KeyConstraint& own_;
  std::string ids_;
  ProtectableKeys chosen_;
  std::vector<ProtectedKey> near_;  // left out, and told
};

const ProtectedTexts* texts_of(const ProtectionInput& input, std::size_t request) {
  const auto found = input.protection.of.find(input.requests[request].id);
  return found == input.protection.of.end() ? nullptr : &found->second;
}

TokenIds own_ids(const CallRows& rows, const KeyGroup& group) {
  const PromptRow& bare = rows[group.requests.front()].prompts.front();
  return {bare.ids.begin(), bare.ids.begin() + static_cast<std::ptrdiff_t>(bare.lookup) + 1};
}

// As many keys as elements, those of the edit among them, cannot be told apart. Takes the last candidates out
// unless protection is strict.
void make_room(std::vector<Candidate>& candidates, const KeyConstraint& own, bool strict,
               const std::string& ids, std::vector<std::string>& warnings) {
  const std::int64_t F = own.K.size(0), room = std::max<std::int64_t>(F - own.K.size(1) - 1, 0);
  if (static_cast<std::int64_t>(candidates.size()) <= room) return;
  const std::string why = fmt::format(
      "edit {}: {} protected keys and {} of the edit are more than the {} elements of a key "
      "can tell apart",
      ids, candidates.size(), own.K.size(1), F);
  if (strict) throw Error(ErrorKind::kConfig, why + "; protect fewer subjects");
  warnings.push_back(fmt::format("{}; the first {} are protected", why, room));
  candidates.resize(static_cast<std::size_t>(room));
}

}  // namespace

double protected_slack(std::int64_t keys, std::int64_t F) {
  return static_cast<double>(keys) > kExactShare * static_cast<double>(F) ? kSlack : 0;
}

std::vector<ProtectableKeys> protectable_keys(const ProtectionInput& input,
                                              const std::vector<KeyGroup>& groups,
                                              const std::vector<KeyConstraint>& own, Grouping grouping) {
  struct Asked {
    std::vector<TextOf> texts;
    bool given;
    TokenIds ids;  // empty: the loudest token of a prompt
  };
  TextKeys keys(input);
  std::set<TokenIds> edited;
  std::vector<std::vector<Asked>> asked(groups.size());
  for (const KeyGroup& group : groups)
    if (grouping == Grouping::kShared) edited.insert(own_ids(input.rows, group));
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::set<TokenIds> left_out = edited;
    left_out.insert(own_ids(input.rows, groups[g]));
    std::map<TokenIds, std::size_t> place;  // among those asked
    const auto ask = [&](std::size_t request, const ProtectedText& text, bool given) {
      const TokenIds ids = text.subject.empty() ? TokenIds() : keys.ask(text);
      if (left_out.contains(ids)) return;
      const auto known = ids.empty() ? place.end() : place.find(ids);
      if (known == place.end()) {
        if (!ids.empty()) place.emplace(ids, asked[g].size());
        asked[g].push_back({{{request, &text}}, given, ids});
        return;
      }
      std::vector<TextOf>& texts = asked[g][known->second].texts;
      const auto is_its = [&](const TextOf& one) { return one.request == request; };
      if (std::ranges::none_of(texts, is_its)) texts.push_back({request, &text});
    };
    // What one request gives is given, though another one only found it.
    for (const bool given : {true, false})
      for (const std::size_t i : groups[g].requests)
        if (const ProtectedTexts* const texts = texts_of(input, i))
          for (const ProtectedText& text : given ? texts->given : texts->found) ask(i, text, given);
  }
  keys.read();
  std::vector<ProtectableKeys> chosen;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (asked[g].empty()) {
      chosen.emplace_back();
      continue;
    }
    const at::Tensor a = key_response(input.metric, own[g].K, own[g].y);
    std::vector<Candidate> candidates;
    for (const Asked& one : asked[g]) {
      at::Tensor key = one.ids.empty() ? loudest_key(input, *one.texts.front().text, a) : keys.key(one.ids);
      if (!at::isfinite(key).all().item<bool>()) continue;  // the edit's own keys are looked at elsewhere
      const double response = at::dot(a, key).item<double>();
      candidates.push_back({one.texts, one.given, std::move(key), response});
    }
    choose(candidates, input.protection);
    const std::string ids = groups[g].ids(input.requests);
    std::vector<std::string> warnings;
    make_room(candidates, own[g], input.protection.strict, ids, warnings);
    chosen.push_back(GroupProtection(input, own[g], ids).choose(candidates));
    chosen.back().warnings.insert(chosen.back().warnings.begin(), warnings.begin(), warnings.end());
  }
  return chosen;
}

ProtectedKeys hold_within(const ProtectableKeys& keys, const std::vector<double>& bounds) {
  ProtectedKeys held;
  if (!keys.K.defined()) return held;
  const at::Tensor slack = slack_within(keys.gram, keys.y, at::tensor(bounds, at::kDouble));
  const at::Tensor which = at::isfinite(slack).nonzero().squeeze(1);
  if (which.numel() == 0) return held;
  held.K = keys.K.index_select(1, which);
  held.slack = slack.index_select(0, which);
  for (std::int64_t i = 0; i < which.numel(); ++i)
    held.told.push_back(keys.told[static_cast<std::size_t>(which[i].item<std::int64_t>())]);
  return held;
}

}  // namespace emend::editors
