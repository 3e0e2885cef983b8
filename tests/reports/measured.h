// A fact with its states before and after an edit, made by hand.
#pragma once

#include <string>

#include "pipeline/result_json.h"

namespace emend::test {

struct Measured {
  Measured() {
    fact.request.id = "tower";
    fact.request.prompt = "the tower stands in";
    fact.request.target = "Rome";
    fact.request.was = "Paris";
    fact.status = "edited";
  }
  std::vector<MeasuredFact> list() const { return {{&fact, &before, &after}}; }

  EditedFact fact;
  FactState before, after;
};

}  // namespace emend::test
