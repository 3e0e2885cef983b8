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

DrawRequest request_for(const EvalRecord& record, const std::string& group) {
  DrawRequest draw;
  draw.group = group;
  draw.subject = record.request.subject;
  draw.seed = record.request.id;
  draw.count = kDerivedQuestions;
  return draw;
}

void derive_neighbours(EvalRecord& record, const std::string& group, const FactPool& pool) {
  DrawRequest draw = request_for(record, group);
  draw.answer = record.request.was;
  for (const Neighbour& given : record.request.neighbours) draw.not_these.push_back(given.prompt);
  for (PooledFact& fact : pool.draw(draw))
    record.request.neighbours.push_back({std::move(fact.prompt), std::move(fact.answer)});
}

void derive_attributes(EvalRecord& record, const std::string& group, const FactPool& pool) {
  DrawRequest draw = request_for(record, group);
  draw.answer = record.request.target;
  for (PooledFact& fact : pool.draw(draw)) record.attributes.push_back(std::move(fact.prompt));
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

FactPool pool_of(const std::vector<EvalRecord>& records, const std::vector<std::string>& groups) {
  FactPool pool;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const EditRequest& request = records[i].request;
    if (!request.was.empty()) pool.add({groups.at(i), request.subject, request.prompt, request.was});
  }
  return pool;
}

void derive_questions(std::vector<EvalRecord>& records, const std::vector<std::string>& groups,
                      const FactPool& pool) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    derive_neighbours(records[i], groups.at(i), pool);
    derive_attributes(records[i], groups.at(i), pool);
  }
}

}  // namespace emend
