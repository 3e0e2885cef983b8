#include "text/jinja/runtime.h"

#include <fmt/format.h>

namespace emend::text::jinja {

void Runtime::step(std::uint64_t count) {
  steps_ += count;
  if (steps_ > limits_.steps)
    throw Fault{fmt::format("the template takes more than {} steps; emend ends it here", limits_.steps)};
}

void Runtime::use_bytes(std::uint64_t count) {
  bytes_ += count;
  if (bytes_ > limits_.bytes)
    throw Fault{fmt::format("the template works through more than {} bytes of text; emend ends it here",
                            limits_.bytes)};
}

void Runtime::append(std::string& text, std::string_view part) {
  check_text(text.size() + part.size());
  use_bytes(part.size());
  text.append(part);
}

void Runtime::check_text(std::size_t bytes) const {
  if (bytes > limits_.text)
    throw Fault{
        fmt::format("the template makes a text of more than {} bytes; emend ends it here", limits_.text)};
}

Namespace* Runtime::make_namespace() {
  namespaces_.push_back(std::make_unique<Namespace>());
  return namespaces_.back().get();
}

Runtime::Nested::Nested(Runtime& runtime) : runtime_(runtime) {
  if (runtime.depth_ >= runtime.limits_.depth)
    throw Fault{
        fmt::format("calls and blocks stand inside each other more than {} deep", runtime.limits_.depth)};
  ++runtime.depth_;
}

}  // namespace emend::text::jinja
