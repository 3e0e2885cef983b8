#include "eval/metrics/lower_case.h"

#include "text/normalizer.h"
#include "text/unicode.h"

namespace emend {

std::string lower_case(std::string_view text) {
  const std::string well_formed = text::lossy_utf8(text);
  return std::string(text::make_lowercase()->normalize(text::AlignedText(well_formed)).text());
}

}  // namespace emend
