// Data sets read from texts in the test.
#pragma once

#include <string>

#include "../base/expect_error.h"
#include "../base/temp_folder.h"
#include "emend/dataset.h"

namespace emend::test {

// What the reader makes of a file "set.json" with this text.
inline DatasetFile read_text(const std::string& dataset, const std::string& text) {
  const TempFolder folder;
  return read_dataset(dataset, folder.write("set.json", text));
}

// The message with which it refuses that file, without the folder's name.
inline std::string refusal_of(const std::string& dataset, const std::string& text) {
  const TempFolder folder;
  const std::filesystem::path file = folder.write("set.json", text);
  const std::string message = error_of(ErrorKind::kConfig, [&] { read_dataset(dataset, file); });
  const std::string front = folder.path().string() + "/";
  return message.rfind(front, 0) == 0 ? message.substr(front.size()) : message;
}

}  // namespace emend::test
