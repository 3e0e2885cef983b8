// The C interface's handles for C++ tests: free themselves, and throw what a call says.
#pragma once

#include <emend/c_api.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace emend::test {

inline void must(emend_status status) {
  if (status != EMEND_OK) throw std::runtime_error(std::to_string(status) + ": " + emend_last_error());
}

inline std::string taken(emend_text* text) {
  std::string copy(emend_text_data(text), emend_text_size(text));
  must(emend_text_free(text));
  return copy;
}

template <typename Handle, emend_status (*Free)(Handle*)>
class Owned {
 public:
  Owned() = default;
  ~Owned() { Free(handle_); }
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  operator Handle*() const { return handle_; }
  Handle** out() { return &handle_; }

 private:
  Handle* handle_ = nullptr;
};
using OwnedModel = Owned<emend_model, emend_model_free>;
using OwnedPatch = Owned<emend_patch, emend_patch_free>;

inline OwnedModel load_model(const std::string& path, int threads) {
  emend_load_options options = EMEND_LOAD_OPTIONS_INIT;
  options.threads = threads;
  OwnedModel model;
  must(emend_model_load(path.c_str(), &options, model.out()));
  return model;
}

inline OwnedPatch make_patch(emend_model* model, const std::string& yaml) {
  OwnedPatch patch;
  must(emend_edit(model, yaml.c_str(), nullptr, patch.out()));
  return patch;
}

inline std::string digest(emend_model* model) {
  emend_text* text = nullptr;
  must(emend_model_digest(model, &text));
  return taken(text);
}

inline std::string continued(emend_model* model, const std::string& prompt) {
  emend_generate_options options = EMEND_GENERATE_OPTIONS_INIT;
  options.max_new = 5;
  emend_text* text = nullptr;
  must(emend_generate(model, prompt.c_str(), &options, &text));
  return taken(text);
}

// Edit files of the invented world that cost a fraction of a second: C = I, few contexts and steps, no
// limits.
inline std::string cheap_edit(const std::string& prompt, const std::string& subject,
                              const std::string& target) {
  return "options: {covariance: false, contexts: 1, steps: 6}\n"
         "drift_text: Workis Tellond was trained as a painter.\n"
         "checks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}\n"
         "edits:\n  - {prompt: " +
         prompt + ", subject: " + subject + ", target: " + target + "}\n";
}
inline std::string painter_edit() {
  return cheap_edit("Workis Tellond was trained as a", "Workis Tellond", "painter");
}
inline std::string language_edit() {
  return cheap_edit("Narilis Vonurn counts and dreams in", "Narilis Vonurn", "Kevic");
}

}  // namespace emend::test
