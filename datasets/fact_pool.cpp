#include "datasets/fact_pool.h"

#include <algorithm>
#include <span>
#include <tuple>

#include "base/fingerprint.h"

namespace emend {
namespace {

std::string joined(const std::string& front, const std::string& back) {
  return front + std::string(1, '\0') + back;
}

bool may_stand(const PooledFact& fact, const DrawRequest& request) {
  return fact.subject != request.subject && fact.prompt.find(request.subject) == std::string::npos &&
         std::find(request.not_these.begin(), request.not_these.end(), fact.prompt) ==
             request.not_these.end();
}

}  // namespace

std::string draw_hash(const std::string& seed, const std::string& item) {
  const std::string text = joined(seed, item);
  return xxh3_128_hex(std::as_bytes(std::span(text)));
}

void FactPool::add(const PooledFact& fact) {
  const std::string key = joined(fact.group, fact.answer);
  if (prompts_.insert(joined(key, fact.prompt)).second) facts_[key].push_back(fact);
}

std::vector<PooledFact> FactPool::draw(const DrawRequest& request) const {
  const auto found = facts_.find(joined(request.group, request.answer));
  if (found == facts_.end()) return {};
  std::vector<std::tuple<bool, std::string, const PooledFact*>> order;
  for (const PooledFact& fact : found->second)
    if (may_stand(fact, request))
      order.emplace_back(fact.is_edit, draw_hash(request.seed, fact.prompt), &fact);
  std::sort(order.begin(), order.end());
  if (order.size() > request.count) order.resize(request.count);
  std::vector<PooledFact> drawn;
  drawn.reserve(order.size());
  for (const auto& entry : order) drawn.push_back(*std::get<const PooledFact*>(entry));
  return drawn;
}

}  // namespace emend
