// What can go wrong, as a small closed set. The kind decides the exit code of the command line tool; the
// message is for a person: where, what came, what was expected, and what to do about it.
#pragma once

#include <stdexcept>
#include <string>

namespace emend {

enum class ErrorKind {
  kUsage,        // wrong command line: exit 2
  kConfig,       // an edit file or an option holds an impossible value: exit 3
  kFormat,       // a file breaks the rules of its format: exit 3
  kModel,        // the file is valid, but this model cannot be used for that: exit 3
  kIo,           // the operating system could not read or write: exit 3
  kNumeric,      // a search did not converge, or a matrix is not positive definite: exit 5
  kInterrupted,  // the user stopped the work: exit 130
};

// Thrown by every part of the library. Copyable; `what()` is UTF-8 without a trailing newline.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

}  // namespace emend
