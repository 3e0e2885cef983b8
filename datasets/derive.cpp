#include "datasets/derive.h"

namespace emend {
namespace {

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
