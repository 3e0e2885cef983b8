// What a call that must fail says.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "emend/error.h"

namespace emend::test {

// The message of the Error that `call` throws; a test failure and "" when it throws none or one of another
// kind.
template <typename Call>
std::string error_of(ErrorKind kind, Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << error.what();
    return error.kind() == kind ? error.what() : "";
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace emend::test
