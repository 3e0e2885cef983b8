// The body of a request, in bounded room and time.
#pragma once

#include <httplib.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "serve/api_error.h"

namespace emend {

// As the header says; 0 without it.
std::uint64_t content_length(const httplib::Request& request);

// The refusal of a body of more than `most` bytes: 413.
ApiError body_too_long(std::size_t most);

// The whole body. Throws ApiError: 413 for more than `most` bytes, 408 if it takes longer than 20 seconds,
// 415 for a form of several parts, 400 if it is cut off.
std::string read_body(const httplib::Request& request, const httplib::ContentReader& reader,
                      std::size_t most);

}  // namespace emend
