// A request that is not answered, and why, in OpenAI's form.
#pragma once

#include <stdexcept>
#include <string>

#include "base/json.h"

namespace emend {

class ApiError : public std::runtime_error {
 public:
  // `status`: of HTTP, 400 to 599. `param`: the field of the body that is meant; `code`: a word for programs;
  // either may be empty.
  ApiError(int status, const std::string& message, std::string param = "", std::string code = "")
      : std::runtime_error(message), status_(status), param_(std::move(param)), code_(std::move(code)) {}

  int status() const { return status_; }
  const std::string& param() const { return param_; }
  // {"error": {"message", "type", "param", "code"}}
  ResultJson json() const {
    const auto text_or_null = [](const std::string& text) {
      return text.empty() ? ResultJson(nullptr) : ResultJson(text);
    };
    return {{"error",
             {{"message", what()},
              {"type", status_ < 500 ? "invalid_request_error" : "server_error"},
              {"param", text_or_null(param_)},
              {"code", text_or_null(code_)}}}};
  }

 private:
  int status_;
  std::string param_, code_;
};

}  // namespace emend
