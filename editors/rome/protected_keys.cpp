#include "editors/rome/protected_keys.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"

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

// A text whose key could be protected.
struct Candidate {
  const ProtectedText* text;
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

// Column `other` of K beside the first `own` columns: the largest of their cosines.
double largest(const at::Tensor& cosines, std::int64_t first, std::int64_t count, std::int64_t other) {
  return count == 0 ? 0 : cosines[other].narrow(0, first, count).abs().max().item<double>();
}

std::string too_near(const ProtectedKey& key, const std::string& ids) {
  return fmt::format(
      "edit {}: the key of {} is nearly its own (cosine {:.3f}): protecting it would make the update {:.1f} "
      "times as large",
      ids, quote(key.subject, 60), key.cosine, key.norm);
}

// The keys of one group out of its candidates, in order.
class GroupProtection {
 public:
  GroupProtection(const ProtectionInput& input, const KeyConstraint& own, std::string ids)
      : input_(input), own_(own), ids_(std::move(ids)) {
    norm_ = response(own_).norm().item<double>();
    answered_ = own_.K.index_select(1, at::nonzero(own_.y).squeeze(1));
  }

  double response_at(const at::Tensor& key) const { return at::dot(response(own_), key).item<double>(); }
  at::Tensor response(const KeyConstraint& held) const { return key_response(input_.metric, held.K, held.y); }

  void add(const Candidate& candidate) {
    std::vector<at::Tensor> side = {answered_};
    if (!keys_.empty()) side.push_back(at::stack(keys_, 1));
    side.push_back(candidate.key.unsqueeze(1));
    const at::Tensor K = at::cat(side, 1);
    const at::Tensor cosines = key_cosines(input_.metric, K);
    const std::int64_t own = answered_.size(1), held = K.size(1) - own - 1;
    ProtectedKey told;
    told.subject = candidate.text->name;
    told.response = candidate.response;
    told.cosine = largest(cosines, 0, own, K.size(1) - 1);
    told.norm = norm_with(candidate.key) / norm_;
    if (told.cosine > input_.protection.largest_cosine || !std::isfinite(told.norm)) {
      refuse(told, candidate.given);
      return;
    }
    if (largest(cosines, own, held, K.size(1) - 1) > kOneAndTheSame) return;  // it is held already
    keys_.push_back(candidate.key);
    chosen_.told.push_back(std::move(told));
  }

  ProtectedKeys take() {
    if (!keys_.empty()) chosen_.K = at::stack(keys_, 1);
    return std::move(chosen_);
  }

 private:
  // ||a|| with this key alone protected.
  double norm_with(const at::Tensor& key) const {
    try {
      return response(with_protected(own_, key)).norm().item<double>();
    } catch (const Error&) {  // the same key as one that is held
      return std::numeric_limits<double>::infinity();
    }
  }
  void refuse(const ProtectedKey& told, bool given) {
    const std::string why = too_near(told, ids_);
    if (given && input_.protection.strict)
      throw Error(ErrorKind::kConfig,
                  why + "; take it out of `bleed` and `neighbours`, or choose another layer");
    chosen_.warnings.push_back(why + "; it is not protected");
  }

  const ProtectionInput& input_;
  const KeyConstraint& own_;
  std::string ids_;
  double norm_;
  at::Tensor answered_;  // the edit's own keys, [F, n]
  std::vector<at::Tensor> keys_;
  ProtectedKeys chosen_;
};

const ProtectedTexts* texts_of(const ProtectionInput& input, std::size_t request) {
  const auto found = input.protection.of.find(input.requests[request].id);
  return found == input.protection.of.end() ? nullptr : &found->second;
}

TokenIds own_ids(const CallRows& rows, const KeyGroup& group) {
  const PromptRow& bare = rows[group.requests.front()].prompts.front();
  return {bare.ids.begin(), bare.ids.begin() + static_cast<std::ptrdiff_t>(bare.lookup) + 1};
}

void require_room(std::size_t wanted, const KeyConstraint& own, const std::string& ids) {
  const std::int64_t F = own.K.size(0), count = own.K.size(1) + static_cast<std::int64_t>(wanted);
  if (count < F) return;
  throw Error(
      ErrorKind::kConfig,
      fmt::format("edit {}: {} protected keys and {} of the edit are more than the {} elements of a key "
                  "can tell apart; protect fewer subjects",
                  ids, wanted, own.K.size(1), F));
}

}  // namespace

double protected_slack(std::int64_t keys, std::int64_t F) {
  return static_cast<double>(keys) > kExactShare * static_cast<double>(F) ? kSlack : 0;
}

std::vector<ProtectedKeys> choose_protected_keys(const ProtectionInput& input,
                                                 const std::vector<KeyGroup>& groups,
                                                 const std::vector<KeyConstraint>& own, Grouping grouping) {
  struct Asked {
    const ProtectedText* text;
    bool given;
    TokenIds ids;  // empty: the loudest token of a prompt
  };
  TextKeys keys(input);
  std::set<TokenIds> edited;
  std::vector<std::vector<Asked>> asked(groups.size());
  for (const KeyGroup& group : groups)
    if (grouping == Grouping::kShared) edited.insert(own_ids(input.rows, group));
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::set<TokenIds> known = edited;
    known.insert(own_ids(input.rows, groups[g]));
    for (const std::size_t i : groups[g].requests) {
      const ProtectedTexts* const texts = texts_of(input, i);
      if (texts == nullptr) continue;
      const auto ask = [&](const ProtectedText& text, bool given) {
        const TokenIds ids = text.subject.empty() ? TokenIds() : keys.ask(text);
        if (ids.empty() || known.insert(ids).second) asked[g].push_back({&text, given, ids});
      };
      for (const ProtectedText& text : texts->given) ask(text, true);
      for (const ProtectedText& text : texts->found) ask(text, false);
    }
  }
  keys.read();
  std::vector<ProtectedKeys> chosen;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (asked[g].empty()) {
      chosen.emplace_back();
      continue;
    }
    GroupProtection protection(input, own[g], groups[g].ids(input.requests));
    const at::Tensor a = protection.response(own[g]);
    std::vector<Candidate> candidates;
    for (const Asked& one : asked[g]) {
      at::Tensor key = one.ids.empty() ? loudest_key(input, *one.text, a) : keys.key(one.ids);
      if (!at::isfinite(key).all().item<bool>()) continue;  // the edit's own keys are looked at elsewhere
      const double response = at::dot(a, key).item<double>();
      candidates.push_back({one.text, one.given, std::move(key), response});
    }
    choose(candidates, input.protection);
    require_room(candidates.size(), own[g], groups[g].ids(input.requests));
    for (const Candidate& candidate : candidates) protection.add(candidate);
    chosen.push_back(protection.take());
  }
  return chosen;
}

}  // namespace emend::editors
