#include "text/regex_encoding.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "text/newer_characters.h"

namespace emend::text {
namespace {

using Range = std::pair<OnigCodePoint, OnigCodePoint>;  // first and last

bool library_has(OnigCodePoint code_point, OnigCtype type) {
  return OnigEncodingUTF8.is_code_ctype(code_point, type) != 0;
}

// The number by which the library knows a property, such as "P".
OnigCtype property(std::string_view name) {
  std::vector<OnigUChar> bytes(name.begin(), name.end());
  OnigUChar* begin = bytes.data();
  return static_cast<OnigCtype>(
      OnigEncodingUTF8.property_name_to_ctype(&OnigEncodingUTF8, begin, begin + bytes.size()));
}

// What is not the same in all versions of the library, looked up once.
struct Differences {
  OnigCtype punctuation = property("P"), symbol = property("S");
  std::vector<NewerCharacters> replaced;  // that this library does not know, or classes in the old way

  Differences() {
    const OnigCtype unassigned = property("Cn");
    for (const NewerCharacters& run : newer_characters()) {
      const bool known = run.kind == NewerCharacters::Kind::kAdded && !library_has(run.first, unassigned);
      if (!known) replaced.push_back(run);
    }
  }
};

const Differences& differences() {
  static const Differences found;
  return found;
}

// `[[:punct:]]` is P and S since 6.9.9, and P alone before.
bool has_class(OnigCodePoint code_point, OnigCtype type) {
  if (type != ONIGENC_CTYPE_PUNCT) return library_has(code_point, type);
  return library_has(code_point, differences().punctuation) || library_has(code_point, differences().symbol);
}

OnigCodePoint known_twin(OnigCodePoint code_point) {
  const std::vector<NewerCharacters>& runs = differences().replaced;
  const auto after =
      std::upper_bound(runs.begin(), runs.end(), code_point,
                       [](OnigCodePoint value, const NewerCharacters& run) { return value < run.first; });
  if (after == runs.begin()) return code_point;
  const NewerCharacters& run = *(after - 1);
  return code_point <= run.last ? run.twin : code_point;
}

int is_code_ctype(OnigCodePoint code_point, OnigCtype type) {
  return has_class(known_twin(code_point), type) ? 1 : 0;
}

// The library's list of `type`: the number of ranges, then first and last of each.
int append_library_ranges(OnigCtype type, std::vector<Range>& ranges) {
  OnigCodePoint ascii_end = 0;
  const OnigCodePoint* list = nullptr;
  const int status = OnigEncodingUTF8.get_ctype_code_range(type, &ascii_end, &list);
  if (status != ONIG_NORMAL) return status;
  for (OnigCodePoint i = 0; i < list[0]; ++i) ranges.emplace_back(list[1 + 2 * i], list[2 + 2 * i]);
  return ONIG_NORMAL;
}

// Takes first to last out of sorted ranges that do not overlap.
std::vector<Range> without(const std::vector<Range>& ranges, const NewerCharacters& run) {
  std::vector<Range> left;
  for (const auto& [first, last] : ranges) {
    if (last < run.first || first > run.last) {
      left.emplace_back(first, last);
      continue;
    }
    if (first < run.first) left.emplace_back(first, run.first - 1);
    if (last > run.last) left.emplace_back(run.last + 1, last);
  }
  return left;
}

// All characters of `type`, sorted; the status of the library.
int collect_ranges(OnigCtype type, std::vector<Range>& ranges) {
  if (type == ONIGENC_CTYPE_PUNCT) {
    append_library_ranges(differences().punctuation, ranges);
    append_library_ranges(differences().symbol, ranges);
  } else if (const int status = append_library_ranges(type, ranges); status != ONIG_NORMAL) {
    return status;
  }
  for (const NewerCharacters& run : differences().replaced) {
    ranges = without(ranges, run);
    if (has_class(run.twin, type)) ranges.emplace_back(run.first, run.last);
  }
  std::sort(ranges.begin(), ranges.end());
  return ONIG_NORMAL;
}

// The library copies the list before it asks for the next one, so one for each thread is enough.
int get_ctype_code_range(OnigCtype type, OnigCodePoint* ascii_end, const OnigCodePoint** list) {
  thread_local std::vector<OnigCodePoint> numbers;
  std::vector<Range> ranges;
  const int status = collect_ranges(type, ranges);
  if (status != ONIG_NORMAL) return status;
  numbers.assign(1, static_cast<OnigCodePoint>(ranges.size()));
  for (const auto& [first, last] : ranges) numbers.insert(numbers.end(), {first, last});
  *ascii_end = 0x80;
  *list = numbers.data();
  return ONIG_NORMAL;
}

// `\p{Punct}` is P in all versions, though it once shared a number with `[[:punct:]]`.
int property_name_to_ctype(OnigEncoding, OnigUChar* begin, OnigUChar* end) {
  const int found = OnigEncodingUTF8.property_name_to_ctype(&OnigEncodingUTF8, begin, end);
  const bool shared = found == ONIGENC_CTYPE_PUNCT && ONIGURUMA_VERSION_INT < 60909;
  return shared ? static_cast<int>(differences().punctuation) : found;
}

OnigEncodingType make_encoding() {
  OnigEncodingType encoding = OnigEncodingUTF8;
  encoding.property_name_to_ctype = property_name_to_ctype;
  encoding.is_code_ctype = is_code_ctype;
  encoding.get_ctype_code_range = get_ctype_code_range;
  return encoding;
}

}  // namespace

OnigEncoding regex_encoding() {
  static OnigEncodingType encoding = make_encoding();
  static const int status = onig_initialize(std::vector<OnigEncoding>{&encoding}.data(), 1);
  return status == ONIG_NORMAL ? &encoding : nullptr;
}

}  // namespace emend::text
