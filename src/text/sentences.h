// A text in sentences.
#pragma once

#include <string_view>
#include <vector>

namespace emend {

// The sentences of a text in order, without the spaces around them; together they are the whole text but for
// spaces. One ends at a line's end; behind ".", "!", "?" or an ellipsis and the quotes and brackets that
// close behind them, where a space follows and no small letter after it; behind the full-width marks of
// Chinese and Japanese at once. The full stop of an initial or of a usual abbreviation ("Dr.", "e.g.") ends
// none.
std::vector<std::string_view> split_sentences(std::string_view text);

}  // namespace emend
