#include "serve/request_body.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <limits>
#include <system_error>

namespace emend {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

// How much of a body that is too long is read nevertheless: a client that still writes would not read the
// answer.
constexpr std::size_t kReadOn = 64'000'000;
constexpr seconds kBodySeconds{20};

}  // namespace

ApiError body_too_long(std::size_t most) {
  return {413, fmt::format("the body may have {} bytes", most)};
}

// The library's own reading of numbers has another name in each version.
std::uint64_t content_length(const httplib::Request& request) {
  const std::string text = request.get_header_value("Content-Length");
  std::uint64_t length = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), length);
  return read.ec == std::errc::result_out_of_range ? std::numeric_limits<std::uint64_t>::max() : length;
}

std::string read_body(const httplib::Request& request, const httplib::ContentReader& reader,
                      std::size_t most) {
  if (request.is_multipart_form_data())
    throw ApiError(415, "the body must be JSON, not a form with several parts");
  const auto deadline = steady_clock::now() + kBodySeconds;
  std::string body;
  std::size_t size = 0;
  bool late = false;
  const bool whole = reader([&](const char* data, std::size_t count) {
    size += count;
    late = steady_clock::now() > deadline;
    if (size <= most) body.append(data, count);
    return !late && size <= kReadOn;
  });
  // Also where a client announced too much and did not send it.
  if (size > most || content_length(request) > most) throw body_too_long(most);
  if (late) throw ApiError(408, fmt::format("the body did not come within {} s", kBodySeconds.count()));
  if (!whole) throw ApiError(400, "the body is cut off, or not in the form that its headers say");
  return body;
}

}  // namespace emend
