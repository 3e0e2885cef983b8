// What an edit file cannot hold, whoever wrote the edits: the rules behind edit_file_writer.h and
// make_edit_file.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "emend/records.h"

namespace emend {

// The edit with its texts cut as the reader of edit files cuts them.
EditRequest cut_texts(EditRequest request);

// Why the edit by itself cannot stand in an edit file; empty if it can. Its texts are cut.
std::string edit_flaw(const EditRequest& request);

// Where the subject begins in the prompt; `occurrence` counts from 1 and chooses among several. Throws
// Error(kConfig) if it is empty or not there, or which one is meant is not told.
std::size_t subject_place(const EditRequest& request, std::optional<int> occurrence);

// Cuts the prompt of a paraphrase or a neighbour and says why it cannot be a question; empty if it can.
std::string question_flaw(std::string& prompt, std::string_view answer);

// Why another subject cannot join those of the edit's `bleed`; empty if it can. Its texts are cut.
std::string other_subject_flaw(const EditRequest& request, const OtherSubject& other);

// The edits of a list so far, by what two of them must not share.
class TakenEdits {
 public:
  // Why the edit cannot follow those taken so far; empty if it can.
  std::string conflict(const EditRequest& request) const;
  void add(const EditRequest& request);
  // Whether one of them edits the answer to this prompt.
  bool edits(const std::string& prompt) const { return by_prompt_.contains(prompt); }
  // Whether these words, as a prompt or paraphrase of one of them, ask for another answer than `target`.
  bool wants_another(const std::string& words, const std::string& target) const;
  // The words are a paraphrase of an edit with this target.
  void add_paraphrase(const std::string& words, const std::string& target) {
    by_words_.emplace(words, target);
  }

 private:
  struct Claim {
    std::string subject;
    std::size_t subject_begin = 0;
    std::string target;
  };
  std::unordered_set<std::string> ids_;
  std::unordered_multimap<std::string, Claim> by_prompt_;
  std::unordered_map<std::string, std::string> by_words_;  // prompts and paraphrases -> target
};

}  // namespace emend
