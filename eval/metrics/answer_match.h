// Does a free text begin with the answer? The "generated" success of every question.
//
// Both texts are normalised as SQuAD's evaluation does (Rajpurkar et al., EMNLP 2016), with two differences
// that a comparison of beginnings wants: only articles in front are dropped, and Unicode is read by its
// classes instead of ASCII's.
#pragma once

#include <string>
#include <string_view>

namespace emend {

// Lower case (Unicode), without all that is neither a word character nor white space, and without `_`; white
// space collapsed to single spaces and trimmed; the articles "a", "an" and "the" dropped from the front,
// unless nothing else is left. Broken UTF-8 is dropped like punctuation. "The  U.S.A.!" -> "usa". Kept are
// the marks that make another name or number: between two digits ("3.5", but not the comma of 10,000), a
// minus in front of a number ("-5"), and plus, number and music signs behind a word ("C++", "C#").
std::string normalize_answer(std::string_view text);

// Whether the words of `answer` are the first words of `text`, both normalised: "Rome, of course" begins with
// "rome", "Romeo" does not. A word ends at white space and at a mark ("Rome's", "Rome/Italy", "Serbian.The"),
// but not at one inside a number ("10,000") or a longer name ("U.S.", "AT&T", "Guinea-Bissau"). Next to a
// character of a script that is written without spaces (Han, kana, Thai, Lao, Khmer, Burmese, Tibetan) a word
// may end anywhere: "罗马是首都" begins with "罗马", and so, wrongly, does "罗马尼亚". No text begins with an
// answer that has no word character.
bool begins_with_answer(std::string_view text, std::string_view answer);

}  // namespace emend
