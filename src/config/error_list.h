// The mistakes of one file, so that all of them are told at once.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "emend/error.h"

namespace emend {

class ErrorList {
 public:
  // What is told at most. The one that is one too many ends the reading.
  static constexpr std::size_t kMost = 20;

  // `name` stands for the file in messages.
  explicit ErrorList(std::string name) : name_(std::move(name)) {}

  // Reads a part of the file. What is wrong with it (Error(kConfig), Error(kFormat)) is kept; other errors
  // are thrown on. Throws as throw_if_any() when the list is full.
  template <typename Read>
  void collect(Read read) {
    try {
      read();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kConfig && error.kind() != ErrorKind::kFormat) throw;
      add(error);
    }
  }
  void add(const Error& error);

  std::size_t size() const { return errors_.size(); }
  // Throws one mistake as it is, and several as one error with a line for each; its kind is that of the
  // first.
  void throw_if_any() const;

 private:
  [[noreturn]] void throw_all(const std::string& title) const;

  std::string name_;
  std::vector<Error> errors_;
};

}  // namespace emend
