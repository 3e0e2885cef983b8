#include "editors/common/request_rows.h"

#include <fmt/format.h>

#include "emend/error.h"

namespace emend::editors {

CallRows::CallRows(const Tokenizer& tokenizer, const std::vector<EditRequest>& requests, const RowForm& form,
                   std::vector<TokenIds> contexts)
    : form_(form), contexts_(std::move(contexts)), fronts_{form.prefix} {
  for (const TokenIds& context : contexts_) {
    fronts_.push_back(form_.prefix);
    fronts_.back().insert(fronts_.back().end(), context.begin(), context.end());
  }
  for (const EditRequest& request : requests) requests_.push_back(make_rows(tokenizer, request));
}

RequestRows CallRows::make_rows(const Tokenizer& tokenizer, const EditRequest& request) const {
  RequestRows rows;
  rows.target = target_ids(tokenizer, request.target, form_);
  if (rows.target.empty())
    throw Error(ErrorKind::kConfig, fmt::format("edit {}: the target has no tokens", request.id));
  rows.prompts.push_back(bare_row(tokenizer, request, form_));
  rows.fronts.push_back(0);
  for (std::size_t c = 0; c < contexts_.size(); ++c) {
    rows.prompts.push_back(context_row(tokenizer, request, contexts_[c], form_));
    // Chat rows carry their context inside the message.
    rows.fronts.push_back(form_.form == PromptForm::kChat ? 0 : static_cast<std::int64_t>(c) + 1);
  }
  rows.subject = subject_row(tokenizer, request, form_);
  if (rows.prompts.front().straddles)
    rows.warnings.push_back(fmt::format(
        "edit {}: the token at the end of the subject also covers the text after it", request.id));
  return rows;
}

TraceRow CallRows::trace_row(std::size_t request, std::size_t prompt, const TokenIds& more) const {
  const RequestRows& rows = requests_[request];
  TraceRow row;
  row.front = rows.fronts[prompt];
  const TokenIds& ids = rows.prompts[prompt].ids;
  const auto skipped = static_cast<std::ptrdiff_t>(fronts_[static_cast<std::size_t>(row.front)].size());
  row.own.assign(ids.begin() + skipped, ids.end());
  row.own.insert(row.own.end(), more.begin(), more.end());
  return row;
}

TraceRow CallRows::trace_row_to_lookup(std::size_t request, std::size_t prompt) const {
  TraceRow row = trace_row(request, prompt);
  const PromptRow& whole = requests_[request].prompts[prompt];
  row.own.resize(row.own.size() - (whole.ids.size() - 1 - whole.lookup));
  return row;
}

TraceRow CallRows::behind_prefix(const TokenIds& ids) const {
  return {0, {ids.begin() + static_cast<std::ptrdiff_t>(form_.prefix.size()), ids.end()}};
}

}  // namespace emend::editors
