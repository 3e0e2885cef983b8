// What one rendering may use up, and what its values share.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace emend::text::jinja {

// A template is somebody else's program: it gets an end to everything that it can make large.
struct Limits {
  std::uint64_t steps = 500'000;                 // expressions, statements, items of lists
  std::uint64_t bytes = std::uint64_t{1} << 27;  // read and written by all text operations together
  std::size_t text = std::size_t{1} << 20;       // bytes of one text, and of the output
  int depth = 300;                               // calls and nested constructs at the same time
};

// The day and time of strftime_now: fixed, so that a template renders the same on every day.
struct Moment {
  int year = 2024;
  int month = 7;  // 1 to 12
  int day = 26;
  int hour = 12;
  int minute = 0;
  int second = 0;
};

class Runtime {
 public:
  Runtime(const Limits& limits, const Moment& now) : limits_(limits), now_(now) {}

  // Throw Fault when a limit is passed.
  void step(std::uint64_t count = 1);
  void use_bytes(std::uint64_t count);
  // Appends with a check of the length of one text.
  void append(std::string& text, std::string_view part);
  void check_text(std::size_t bytes) const;

  Namespace* make_namespace();
  const Moment& now() const { return now_; }

  // Held while something runs that may call itself.
  class Nested {
   public:
    explicit Nested(Runtime& runtime);
    ~Nested() { --runtime_.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Runtime& runtime_;
  };

 private:
  Limits limits_;
  Moment now_;
  std::uint64_t steps_ = 0;
  std::uint64_t bytes_ = 0;
  int depth_ = 0;
  std::vector<std::unique_ptr<Namespace>> namespaces_;
};

}  // namespace emend::text::jinja
