#include "pipeline/failure.h"

#include <c10/util/Exception.h>

#include <filesystem>
#include <new>

#include "emend/error.h"

namespace emend {
namespace {

int exit_code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return kExitUsage;
    case ErrorKind::kConfig:
    case ErrorKind::kFormat:
    case ErrorKind::kModel:
    case ErrorKind::kIo:
      return kExitBadInput;
    case ErrorKind::kNumeric:
      return kExitNumeric;
    case ErrorKind::kInterrupted:
      return kExitInterrupted;
  }
  return kExitInternal;
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

Failure describe_failure(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& failure) {
    return {exit_code_of(failure.kind()), failure.what()};
  } catch (const std::filesystem::filesystem_error& failure) {
    const std::string path = failure.path1().empty() ? "" : failure.path1().string() + ": ";
    return {kExitBadInput, path + failure.code().message()};
  } catch (const std::bad_alloc&) {
    return {kExitInternal, "out of memory; a smaller value of the option token-budget needs less"};
  } catch (const c10::OutOfMemoryError&) {
    return {kExitInternal,
            "out of the device's memory; a smaller value of the option token-budget needs less, and so does "
            "bfloat16"};
  } catch (const c10::Error& failure) {
    return {kExitInternal, "libtorch failed: " + first_line(failure.what_without_backtrace())};
  } catch (const std::exception& failure) {
    return {kExitInternal, "internal error: " + first_line(failure.what())};
  } catch (...) {
    return {kExitInternal, "internal error"};
  }
}

}  // namespace emend
