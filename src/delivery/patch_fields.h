// The metadata of a patch file by key; what it refuses names the file and the key.
#pragma once

#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {

class PatchFields {
 public:
  PatchFields(const std::map<std::string, std::string>& metadata, const std::string& file)
      : metadata_(metadata), file_(file) {}

  const std::string& text(const std::string& key) const {
    const auto found = metadata_.find("emend." + key);
    if (found == metadata_.end())
      throw Error(
          ErrorKind::kFormat,
          file_ + ": not a patch of emend, or a broken one: the metadata has no \"emend." + key + "\"");
    return found->second;
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& expected) const {
    throw Error(ErrorKind::kFormat, source(key) + " must be " + expected + ", found " + quote(text(key), 60));
  }

  bool has(const std::string& key) const { return metadata_.contains("emend." + key); }

  // A whole number from 0.
  template <typename Number>
  Number number(const std::string& key) const {
    const std::string& digits = text(key);
    Number value{};
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (status != std::errc() || end != digits.data() + digits.size() || value < Number{})
      refuse(key, "a whole number from 0");
    return value;
  }

  // One of `choices`, as its index.
  std::size_t choice(const std::string& key, const std::vector<std::string>& choices) const {
    const auto found = std::find(choices.begin(), choices.end(), text(key));
    if (found == choices.end()) refuse(key, join(choices, " or "));
    return static_cast<std::size_t>(found - choices.begin());
  }

  std::string fingerprint(const std::string& key) const {
    const std::string& hex = text(key);
    if (hex.find_first_not_of("0123456789abcdef") != std::string::npos) refuse(key, "hexadecimal digits");
    return hex;
  }

  Json json(const std::string& key) const { return parse_json(text(key), source(key)); }
  std::string source(const std::string& key) const { return file_ + ": metadata \"emend." + key + "\""; }

  // An array whose elements `read` takes.
  template <typename Read>
  auto list(const std::string& key, Read read) const {
    const Json document = json(key);
    std::vector<decltype(read(std::declval<JsonView>()))> values;
    for (const JsonView& element : JsonView(document, source(key)).elements())
      values.push_back(read(element));
    return values;
  }

 private:
  const std::map<std::string, std::string>& metadata_;
  const std::string& file_;
};

}  // namespace emend
