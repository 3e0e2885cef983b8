// The records of a data set's file, as JSON.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"

namespace emend {

// The objects of a JSON array, or of JSON lines: one object a line; empty lines are ignored.
class JsonRecords {
 public:
  // Throws Error(kIo) when the file cannot be read; Error(kFormat) when it is neither form, with line and
  // column, or holds something else than objects, with the record's number.
  explicit JsonRecords(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::size_t size() const { return records_.size(); }
  // Record `number`, from 0. What its getters refuse begins with "FILE: record N: ".
  JsonView at(std::size_t number) const;

 private:
  std::filesystem::path path_;
  std::vector<Json> records_;
};

}  // namespace emend
