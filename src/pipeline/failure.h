// From exceptions to one code and one message: the program's exit code, the C interface's status.
#pragma once

#include <exception>
#include <string>

namespace emend {

inline constexpr int kExitDone = 0;
inline constexpr int kExitInternal = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitBadInput = 3;
inline constexpr int kExitCheckFailed = 4;
inline constexpr int kExitNumeric = 5;
inline constexpr int kExitInterrupted = 130;

struct Failure {
  int exit_code = kExitInternal;
  std::string message;
};

// What an exception that nobody caught means to the user.
Failure describe_failure(const std::exception_ptr& error);

}  // namespace emend
