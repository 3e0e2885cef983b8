// A fact with its states before and after an edit, made by hand.
#pragma once

#include <vector>

#include "emend/edit.h"

namespace emend::test {

struct Measured {
  Measured() {
    fact.request.id = "tower";
    fact.request.prompt = "the tower stands in";
    fact.request.target = "Rome";
    fact.request.was = "Paris";
    fact.parts.emplace_back();
  }
  std::vector<FactRecord> list() const {
    FactRecord measured = fact;
    measured.before = before;
    measured.after = after;
    return {measured};
  }

  FactRecord fact;
  FactState before, after;
};

}  // namespace emend::test
