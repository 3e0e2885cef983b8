// Names that a model itself puts into a place of a text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "emend/generate.h"
#include "emend/model.h"

namespace emend {

// What kind of character a name begins with, behind "the ". A name of another kind is not a name of the same
// kind of thing: "France" and "1998", "France" and "my".
enum class NameBeginning { kCapital, kDigit, kOther };
NameBeginning beginning_of(std::string_view name);

// A place that a name belongs in.
struct NamePlace {
  TokenIds front;                         // the text in front of it
  std::string back;                       // the text behind it; empty: a name ends at punctuation
  std::vector<NameBeginning> beginnings;  // those that are wanted
};

struct NameSearch {
  std::int64_t begins = 24;      // likeliest next tokens that are continued, each by itself
  std::int64_t name_tokens = 6;  // that may follow the first one, up to what shows that the name has ended
  std::int64_t token_budget = 4096;  // tokens that one pass may hold, >= 1
};

// The names that the model puts into each place, likeliest beginning first: each of the `begins` likeliest
// next tokens is continued greedily until what stands behind the place follows, or it is clear that it will
// not be a name: a wrong beginning, more than five words, a bracket or a full stop in it. Work: one pass over
// each front, and up to `name_tokens` columns of the beginnings that are still open.
std::vector<std::vector<std::string>> names_in_places(const Model& model,
                                                      const std::vector<NamePlace>& places,
                                                      const NameSearch& search);

}  // namespace emend
