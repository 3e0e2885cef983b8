// What a call that must fail says.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "emend/error.h"

namespace emend {

// The message of the Error(kConfig) that `call` throws. Another kind, or no error at all, fails the test.
template <typename Call>
std::string config_error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace emend
