#include "pipeline/written_json.h"

namespace emend {

ResultJson written_tensors_json(const WritePlan& plan) {
  ResultJson list = ResultJson::array();
  for (const PlannedTensor& tensor : plan.tensors)
    list.push_back({{"name", tensor.name},
                    {"layer", tensor.weight.block},
                    {"was", tensor.old_type},
                    {"is", tensor.new_type},
                    {"share", tensor.share},
                    {"rounding", tensor.error}});
  return list;
}

ResultJson realised_json(const WritePlan& plan, std::size_t patch) {
  ResultJson list = ResultJson::array();
  for (const RealisedFact& fact : plan.facts)
    if (fact.patch == patch)
      list.push_back({{"id", fact.id},
                      {"layer", fact.weight.block},
                      {"wanted", fact.wanted},
                      {"arrived", fact.arrived},
                      {"share", fact.share},
                      {"rounding", fact.error},
                      {"value_rounding", fact.value_error}});
  return list;
}

}  // namespace emend
