// Options that a caller gives as JSON: {"prompt": "...", "top": 5}. What takes them also describes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/error.h"
#include "emend/memory_export.h"
#include "emend/memory_id.h"
#include "emend/memory_lens.h"
#include "emend/memory_scan.h"
#include "emend/memory_set.h"

namespace emend::c_api {

class JsonOptions {
 public:
  // `text` nullptr: no option is given. `owner` is whose options they are, for messages: "explain". Throws
  // Error(kUsage) for text that is no JSON object.
  JsonOptions(const char* text, std::string owner);

  // Sets `field` to the option of this name. One that is not given, or null, leaves the field as it is.
  // Throws Error(kUsage) naming an option whose value is of another type or out of its type's range.
  template <typename Field>
  void take(const char* name, Field& field);
  // The same for an option that must be given.
  template <typename Field>
  void need(const char* name, Field& field);

  // Throws Error(kUsage) naming an option that was given and nobody took (the nearest one is offered), and
  // one that is needed and was not given.
  void require_all_taken() const;

  // What was taken, in order: [{"name", "type", "needed": true or "default"}, ...].
  const ResultJson& description() const { return description_; }

 private:
  template <typename Field>
  bool read(const char* name, Field& field) const;

  std::string owner_;
  Json values_ = Json::object();
  std::vector<std::string> taken_, missing_;
  ResultJson description_ = ResultJson::array();
};

// How a field is called, read and shown. read() throws Error.
template <typename Field>
struct JsonField;

#define EMEND_JSON_FIELD(Type)                \
  template <>                                 \
  struct JsonField<Type> {                    \
    static const char* name();                \
    static void read(const JsonView&, Type&); \
    static ResultJson show(const Type&);      \
  }
EMEND_JSON_FIELD(bool);
EMEND_JSON_FIELD(int);
EMEND_JSON_FIELD(std::int64_t);
EMEND_JSON_FIELD(std::uint64_t);
EMEND_JSON_FIELD(double);
EMEND_JSON_FIELD(std::string);
EMEND_JSON_FIELD(std::filesystem::path);
EMEND_JSON_FIELD(std::vector<int>);
EMEND_JSON_FIELD(std::vector<std::string>);
EMEND_JSON_FIELD(std::vector<std::filesystem::path>);
EMEND_JSON_FIELD(LensOptions);  // its kind and map; mask_special is an option of its own
EMEND_JSON_FIELD(Dedup);
EMEND_JSON_FIELD(ExportForm);
EMEND_JSON_FIELD(MemoryId);
EMEND_JSON_FIELD(std::vector<MemorySetting>);
#undef EMEND_JSON_FIELD

template <typename Field>
bool JsonOptions::read(const char* name, Field& field) const {
  try {
    const auto found = JsonView(values_, "the options of " + owner_).find(name);
    if (found) JsonField<Field>::read(*found, field);
    return found.has_value();
  } catch (const Error& error) {
    throw Error(ErrorKind::kUsage, error.what());
  }
}

template <typename Field>
void JsonOptions::take(const char* name, Field& field) {
  description_.push_back(
      {{"name", name}, {"type", JsonField<Field>::name()}, {"default", JsonField<Field>::show(field)}});
  taken_.emplace_back(name);
  read(name, field);
}

template <typename Field>
void JsonOptions::need(const char* name, Field& field) {
  description_.push_back({{"name", name}, {"type", JsonField<Field>::name()}, {"needed", true}});
  taken_.emplace_back(name);
  if (!read(name, field)) missing_.emplace_back(name);
}

}  // namespace emend::c_api
